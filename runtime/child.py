"""Child processes that end with their parent, even if the parent is killed."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def command(*arguments: str) -> list[str]:
    """The command line that runs `arguments` as a child of this process, which is killed with it.

    Start it from the main thread, because Linux ties a child to the thread that created it.
    """
    return [sys.executable, "-P", "-S", __file__, str(os.getpid()), *arguments]


def exit_with_parent(parent: int, signum: int) -> None:
    """Sends the signal to this process as soon as its parent ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    exit_with_parent(int(sys.argv[1]), signal.SIGKILL)
    os.execv(sys.argv[2], sys.argv[2:])  # replaces this process: same id, same signal
