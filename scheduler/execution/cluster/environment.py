"""Variables that Ray reads when it is imported, set where the person has not set them."""

import errno
import os
import secrets
import stat
import sys
from pathlib import Path

from ...errors import WorkerError

_DEFAULTS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def configure_ray_environment() -> None:
    """Turns token authentication on and usage statistics off; call it before `import ray`.

    Ray reads the authentication mode once, when it is imported: where it already has been, the mode is left as it is.

    Raises:
        WorkerError: The file of the token cannot be made, or cannot be made private.
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    if "ray" not in sys.modules:
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    if os.environ.get("RAY_AUTH_MODE", "token") == "token" and "RAY_AUTH_TOKEN" not in os.environ:
        _make_private_token(Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"))


def _make_private_token(path: Path) -> None:
    """Makes Ray's token file if there is none, readable by its owner alone: Ray's own is readable by everybody."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_token(path)
    except OSError as error:
        raise WorkerError(
            f"RAY_AUTH_TOKEN_PATH: Ray's token {path} cannot be made private ({error.strerror}): name another file."
        ) from error


def _write_token(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        # A link to a token elsewhere is followed: people keep their secrets in one place.
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no file") from None
        if mode & 0o077:
            path.chmod(0o600)
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
