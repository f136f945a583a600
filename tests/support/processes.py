"""The processes of this machine, and Callboard commands started as a given user."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from runtime.settings import ROOT

# Root can try both; an ordinary user is only himself.
USERS = ["root", "ordinary"] if os.geteuid() == 0 else ["ordinary"]
_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
_MAPPED = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]


def as_user(user: str, *command: str) -> list[str]:
    """The command line that runs `command` as that user. If other users cannot read this
    checkout or its Python (under /root), the ordinary user is one of a user namespace: it is not
    root, and sees the same files."""
    if user == "root" or os.geteuid() != 0:
        return list(command)
    return [*(_NOBODY if _others_may_run_us() else _MAPPED), *command]


def own(folder: Path, user: str) -> None:
    """Gives the folder to the ordinary user where that is somebody else."""
    if user == "ordinary" and os.geteuid() == 0 and _others_may_run_us():
        shutil.chown(folder, 65534, 65534)


def _others_may_run_us() -> bool:
    """Whether `nobody` has the same Python with the same library, and may read the checkout."""
    code = f"import os; open({str(ROOT / 'callboard')!r}).close(); print(os.__file__)"
    probe = [*_NOBODY, sys.executable, "-c", code]
    process = subprocess.run(probe, capture_output=True, text=True, check=False)
    return process.stdout.strip() == os.__file__


def running(part_of_command: str) -> list[int]:
    """Ids of the processes with that in their command line; the dead that wait do not count."""
    processes = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if part_of_command in command:
            processes.append(int(entry.name))
    return processes


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition becomes true within that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def parent_of(pid: int) -> int:
    """The id of its parent; 0 if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("PPid:"))


def children(parent: int) -> dict[str, int]:
    """The Callboard commands that this process started, by name, with their ids."""
    processes = {}
    for pid in running("server.cli"):
        if parent_of(pid) == parent:
            words = _command(pid)
            if "server.cli" in words:
                processes[words[words.index("server.cli") + 1]] = pid
    return processes


def _command(pid: int) -> list[str]:
    """The words of its command line; none if the process has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether it runs; one that ended and waits to be collected does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
