"""The HTTP connection to Ray's head: its address, the token, and what goes wrong in one sentence.

Ray's own client imports all of Ray, waits without limit and lets RAY_API_SERVER_ADDRESS replace the address it is
given; the API itself is a few requests.
"""

import http.client
import io
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from ...search_spaces.values import cut, show
from ..errors import ClusterError, SweepError

TIMEOUT_S = 30.0
"""Without a byte for so long a request has failed."""

_ADDRESS_VARIABLE = "RAY_API_SERVER_ADDRESS"
_HOW_TO_GIVE_A_TOKEN = "put the cluster's token into ~/.ray/auth_token, or set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"


def given_address(address: str | None) -> str:
    """The address that a person gave, or that Ray's own variable names.

    Raises:
        SweepError: There is none, or it is no address of a dashboard.
    """
    source = "--address"
    if address is None:
        source, address = _ADDRESS_VARIABLE, os.environ.get(_ADDRESS_VARIABLE) or None
    if address is None:
        raise SweepError(
            "--address: give the address of Ray's dashboard, such as http://127.0.0.1:8265, or set"
            f" {_ADDRESS_VARIABLE}."
        )
    try:
        parts = urlsplit(address)
        valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment:
        raise SweepError(f"{source}: it must be a URL such as http://127.0.0.1:8265, got {show(address)}.")
    if "@" in parts.netloc:
        raise SweepError(f"{source}: a URL is shown and stored, so no secret goes into it; {_HOW_TO_GIVE_A_TOKEN}.")
    return address.rstrip("/")


def find_token() -> str | None:
    """The token for the cluster, from where Ray looks for it; None where there is none.

    Raises:
        SweepError: Its file cannot be read.
    """
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        if not (token.isascii() and token.isprintable()):
            raise SweepError("RAY_AUTH_TOKEN: it holds characters that no token has; set the cluster's token.")
        return token
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else Path.home() / ".ray" / "auth_token"
    try:
        token = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SweepError(f"{path}: Ray's token cannot be read from it ({error}).") from None
    return token if token.isprintable() else None


class NotThereError(SweepError):
    """The head knows nothing under this name."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token to another server."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Connection:
    """Requests to one head.

    Args:
        address: The URL of its dashboard.
        token: The cluster's token; None sends none.
    """

    def __init__(self, address: str, token: str | None) -> None:
        self.address = address
        self._token = token
        self._opener = urllib.request.build_opener(_NoRedirects())

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Sends JSON and returns the JSON of the answer.

        Raises:
            NotThereError: The head answers that there is no such thing.
            ClusterError: It does not answer, or not as it should.
            SweepError: The token is missing or another's.
        """
        content = self.ask_raw(method, path, None if body is None else orjson.dumps(body))
        try:
            return orjson.loads(content) if content else None
        except ValueError:
            raise ClusterError(f"{self._no_jobs_api()}: it answers {show(content[:40])}.") from None

    def ask_raw(self, method: str, path: str, data: bytes | None) -> bytes:
        """Sends bytes and returns those of the answer.

        Raises:
            NotThereError: The head answers that there is no such thing.
            ClusterError: It does not answer, or not as it should.
            SweepError: The token is missing or another's.
        """
        with self.opened(method, path, data) as answer:
            try:
                return answer.read()
            except (OSError, http.client.HTTPException) as error:
                raise self.lost(error) from None

    @contextmanager
    def opened(
        self, method: str, path: str, data: bytes | None = None, timeout: float | None = TIMEOUT_S
    ) -> Iterator[http.client.HTTPResponse]:
        """An answer that is to be read.

        Args:
            method: The HTTP method.
            path: The path of the API.
            data: The body.
            timeout: Seconds to wait for a byte; without limit if None.

        Raises:
            NotThereError: The head answers that there is no such thing.
            ClusterError: It does not answer, or not as it should.
            SweepError: The token is missing or another's.
        """
        # As a file, which is sent block by block: bytes would all have to be sent within one timeout.
        body = None if data is None else io.BytesIO(data)
        request = urllib.request.Request(f"{self.address}{path}", body, method=method)
        if data is not None:
            request.add_header("Content-Length", str(len(data)))
        request.add_header("Content-Type", "application/json" if path.startswith("/api/jobs") else "application/zip")
        if self._token is not None:
            # Not an ordinary header: a redirect would take that along, should one ever be followed.
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                yield answer
        except urllib.error.HTTPError as error:
            raise self._explained(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise self.lost(error) from None

    def lost(self, error: Exception) -> ClusterError:
        """The sentence about a head that does not answer."""
        said = str(getattr(error, "reason", error)).strip()
        reason = cut(said, 200) if said.isprintable() and said else type(error).__name__
        return ClusterError(
            f"--address: no Ray answers at {self.address} ({reason}); look whether the head runs and the way to it is"
            " open."
        )

    def _explained(self, error: urllib.error.HTTPError) -> SweepError:
        try:
            text = error.read(100_000).decode(errors="replace").strip()
        except (OSError, http.client.HTTPException):
            text = ""
        if error.code in {401, 403}:
            return self.refused()
        if error.code == 404:
            return NotThereError(text or "not found")
        if error.code == 413:
            return SweepError(
                f"{self.address} takes no upload of this size: leave files out, by .gitignore for example."
            )
        last = text.splitlines()[-1] if text else error.reason
        return ClusterError(f"{self.address} answers {error.code}: {cut(str(last), 300)}.")

    def refused(self) -> SweepError:
        """The sentence about a token that is missing or another's."""
        if self._token is None:
            return SweepError(f"{self.address} asks for a token: {_HOW_TO_GIVE_A_TOKEN}.")
        return SweepError(f"{self.address} refuses the token, which is another cluster's: {_HOW_TO_GIVE_A_TOKEN}.")

    def _no_jobs_api(self) -> str:
        return f"--address: what answers at {self.address} has no Jobs API"

    def check(self) -> str:
        """Makes sure that a head with the Jobs API answers and takes the token.

        Returns:
            The cluster's authentication, "token" or "disabled".

        Raises:
            ClusterError: There is none.
            SweepError: The token is missing or another's.
        """
        try:
            version = self.ask("GET", "/api/version")
            self.ask("GET", "/api/jobs/caviar")
        except NotThereError as error:
            if "caviar" in str(error):  # as only the Jobs API says it
                return self._authentication()
            version = None
        if not isinstance(version, dict) or "ray_version" not in version:
            raise ClusterError(
                f"{self._no_jobs_api()}: give the address of Ray's dashboard, such as http://127.0.0.1:8265, of a head"
                " with ray[default]."
            )
        return self._authentication()

    def _authentication(self) -> str:
        try:
            answer = self.ask("GET", "/api/authentication_mode")
        except NotThereError:
            return "disabled" if self._token is None else "token"
        mode = answer.get("authentication_mode") if isinstance(answer, dict) else None
        return "token" if mode == "token" else "disabled"
