"""Finds out in a moment whether Ray answers at an address: Ray itself takes minutes to give up."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ray._private import services
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError, RayError

from ...errors import WorkerError

_CONNECT_S = 5.0
_ANONYMOUS = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1])"
_VERSIONS = re.compile(r"Ray: (\S+)\s+Python: (\S+)")


def check_address(address: str) -> None:
    """Connects to an address and shows the token.

    Args:
        address: The value of RAY_ADDRESS.

    Raises:
        WorkerError: Nothing listens there, the listener is not Ray, it refuses the token, or it asks for none while
            this process does.
    """
    if address == "local":
        return
    if address == "auto":
        address = _found_here()
    _connect(address)
    if "://" in address:
        return
    with _without_token(address) as let_in:
        _show_token(address)
        if let_in():
            raise WorkerError(
                f"RAY_ADDRESS: {address} asks for no token, but this process does, and no worker could answer it;"
                " start every node with RAY_AUTH_MODE=token and the same token, or set RAY_AUTH_MODE=disabled here."
            )


def _found_here() -> str:
    try:
        return str(services.canonicalize_bootstrap_address("auto"))
    except ConnectionError as error:
        raise WorkerError(
            "RAY_ADDRESS: it is auto, and no Ray runs on this machine; start one (ray start --head), or name its"
            " host:port."
        ) from error


def _connect(address: str) -> None:
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit() or int(port) >= 1 << 16:
        raise WorkerError(f"RAY_ADDRESS: it must be host:port, such as 10.0.0.1:6379, or auto, got {address!r}.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except OSError as error:
        raise WorkerError(
            f"RAY_ADDRESS: no Ray answers at {address} ({error.strerror or error}); start the cluster, or unset"
            " RAY_ADDRESS to run on this machine."
        ) from error


def _show_token(address: str) -> None:
    try:
        with _quiet():
            GcsClient(address=address)
    except AuthenticationError as error:
        raise WorkerError(refusal(address, error)) from error
    except RayError as error:
        raise WorkerError(f"RAY_ADDRESS: what listens at {address} is not Ray ({_first_line(error)}).") from error


@contextmanager
def _without_token(address: str) -> Iterator[Callable[[], bool]]:
    """Tells whether a process without a token is let in while this one has one; Ray knows one mode a process."""
    if os.environ.get("RAY_AUTH_MODE") != "token":
        yield lambda: False
        return
    process = subprocess.Popen(
        [sys.executable, "-c", _ANONYMOUS, address],
        env={**os.environ, "RAY_AUTH_MODE": "disabled"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield lambda: process.wait() == 0
    finally:
        process.kill()
        process.wait()


def refusal(address: str, error: Exception) -> str:
    """One sentence on why Ray refuses a process.

    Args:
        address: The value of RAY_ADDRESS.
        error: The error that Ray raised.
    """
    if isinstance(error, AuthenticationError):
        return _token_refusal(address)
    versions = _VERSIONS.findall(str(error))
    if "Version mismatch" in str(error) and len(versions) == 2:
        (ray_there, python_there), (ray_here, python_here) = versions
        return (
            f"RAY_ADDRESS: {address} runs Ray {ray_there} with Python {python_there}, and this process Ray {ray_here}"
            f" with Python {python_here}; Ray needs the same of both, so use an environment with those of the cluster."
        )
    return f"RAY_ADDRESS: no Ray answers at {address} ({_first_line(error)})."


def _token_refusal(address: str) -> str:
    if os.environ.get("RAY_AUTH_MODE") != "token":
        return f"RAY_ADDRESS: {address} asks for a token; set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to its token."
    where = "RAY_AUTH_TOKEN" if "RAY_AUTH_TOKEN" in os.environ else os.environ.get("RAY_AUTH_TOKEN_PATH")
    return (
        f"RAY_ADDRESS: {address} refuses the token in {where or '~/.ray/auth_token'}; copy the cluster's token there,"
        " or set RAY_AUTH_TOKEN_PATH to it."
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Ray's C++ side, which heeds no level this early, from writing to standard error."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0].rstrip(".")
