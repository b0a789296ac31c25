"""Where a sweep lies: a folder of this machine, or a URI of an object store."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import InvalidSpecError
from .object_path import ObjectPath
from .object_store import OPTIONS

Location = Path | ObjectPath

_SECRET = re.compile(
    r"(://)[^/?#\s'\"]*@|(\b(?:access_key|secret_key|session_token|password)=)[^&\s'\"]*", re.IGNORECASE
)
_SECRET_NAMES = {"access_key", "secret_key", "session_token", "password"}


def locate(where: str | Path | ObjectPath) -> Location:
    """What a person means by a path or a URI.

    Args:
        where: A path, `file:///…`, `s3://bucket/…` or `gs://bucket/…`.

    Raises:
        InvalidSpecError: It is a URI that has a problem.
    """
    if not isinstance(where, str):
        return where
    if not is_uri(where):
        return Path(where)
    if problem := uri_problem(where):
        raise InvalidSpecError(f"{without_secrets(where)}: {problem}.")
    parts = urlsplit(where)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return ObjectPath(parts.scheme, f"{parts.netloc}{parts.path}".rstrip("/"), parts.query)


def is_uri(text: str) -> bool:
    """Whether a text is a URI rather than a path."""
    return "://" in text


def uri_problem(uri: str) -> str | None:
    """Why a URI cannot be where a sweep lies; None where it can."""
    parts = urlsplit(uri)
    options = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    if parts.scheme == "file":
        wrong = parts.netloc not in {"", "localhost"} or not parts.path
        return "a file of this machine has three slashes, as in file:///data/sweeps" if wrong else None
    if parts.scheme not in OPTIONS:
        return "must be a path, or begin with file://, s3:// or gs://"
    if "@" in parts.netloc or set(_SECRET_NAMES) & set(options):
        return (
            "credentials would be stored with the sweep; leave them out and set AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY, or GOOGLE_APPLICATION_CREDENTIALS, instead"
        )
    if not parts.netloc or parts.fragment or "//" in parts.path:
        return f"must be a bucket and a path in it, as in {parts.scheme}://bucket/sweeps"
    if unknown := [name for name in options if name not in OPTIONS[parts.scheme]]:
        return f"there is no option {unknown[0]}; allowed are {', '.join(OPTIONS[parts.scheme])}"
    return None


def without_secrets(text: str) -> str:
    """A text with … for the credentials in the URIs in it."""
    return _SECRET.sub(lambda found: f"{found[1]}…@" if found[1] else f"{found[2]}…", text)
