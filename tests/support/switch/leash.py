"""Runs a command and its child processes, and kills the whole group when stdin closes.

Kamailio's workers go on serving when only its first process is killed, so that neither a parent's
death signal nor a kill of one process ends them.
"""

import os
import signal
import subprocess
import sys
import threading


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # for the command; the leash ends with it
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    with subprocess.Popen(
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL),
    ) as process:
        code = process.wait()
    os._exit(code & 0xFF)
