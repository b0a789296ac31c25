"""What all tests share: bounds by examples instead of by the clock, and a Ray that touches nothing of the person's."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings

settings.register_profile("caviar", deadline=None)
settings.load_profile("caviar")

# Before anything imports Ray, for this process and those that it starts. Ray's sockets need a short path.
_ray = Path(tempfile.mkdtemp(prefix="cav"))
atexit.register(shutil.rmtree, _ray, ignore_errors=True)
os.environ["RAY_AUTH_TOKEN_PATH"] = str(_ray / "token")
os.environ["RAY_TMPDIR"] = str(_ray)
