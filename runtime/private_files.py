"""Files that only the user who runs Callboard can read."""

import os
from pathlib import Path
from typing import IO

_MODE = 0o600


def open_log(path: Path) -> IO[bytes]:
    """Opens a log for appending. A log that others could read becomes private."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, _MODE)
    os.fchmod(descriptor, _MODE)
    return os.fdopen(descriptor, "ab")
