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
        InvalidSpecError: It is another kind of URI, has no bucket, holds credentials, or has an unknown option.
    """
    if not isinstance(where, str):
        return where
    if not is_uri(where):
        return Path(where)
    parts = urlsplit(where)
    if parts.scheme == "file":
        if parts.netloc not in {"", "localhost"}:
            raise InvalidSpecError(f"{where}: a file of this machine has three slashes, as in file:///data/sweeps.")
        return Path(unquote(parts.path))
    _check(where)
    return ObjectPath(parts.scheme, f"{parts.netloc}{parts.path}".rstrip("/"), parts.query)


def is_uri(text: str) -> bool:
    """Whether a text is a URI rather than a path."""
    return "://" in text


def without_secrets(text: str) -> str:
    """A text with … for the credentials in the URIs in it."""
    return _SECRET.sub(lambda found: f"{found[1]}…@" if found[1] else f"{found[2]}…", text)


def _check(uri: str) -> None:
    parts = urlsplit(uri)
    options, shown = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)], without_secrets(uri)
    if parts.scheme not in OPTIONS:
        raise InvalidSpecError(f"{shown}: it must be a path, or begin with file://, s3:// or gs://.")
    if "@" in parts.netloc or set(_SECRET_NAMES) & set(options):
        raise InvalidSpecError(
            f"{shown}: credentials would be stored with the sweep; leave them out and set AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY (or GOOGLE_APPLICATION_CREDENTIALS) instead."
        )
    if not parts.netloc or parts.fragment or "//" in parts.path:
        raise InvalidSpecError(f"{shown}: it must be a bucket and a path in it, as in {parts.scheme}://bucket/sweeps.")
    allowed = OPTIONS[parts.scheme]
    if unknown := [name for name in options if name not in allowed]:
        raise InvalidSpecError(f"{shown}: there is no option {unknown[0]}; allowed are {', '.join(allowed)}.")
