"""Processes that never outlive the one that started them, even if that is killed."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def command(*arguments: str) -> list[str]:
    """The command line that runs `arguments` as a child of this process, killed with it.

    Started from the main thread: Linux ties the child to the thread that made it.
    """
    return [sys.executable, "-P", "-S", __file__, str(os.getpid()), *arguments]


def die_with(parent: int, signum: int) -> None:
    """Has this process get the signal when its parent ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    die_with(int(sys.argv[1]), signal.SIGKILL)
    os.execv(sys.argv[2], sys.argv[2:])  # the same process goes on: same id, same signal
