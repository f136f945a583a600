"""The npm packages of bench/node, installed into the cache folder of this user."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from runtime.settings import ROOT

_NODE = ROOT / "bench" / "node"


def are_available() -> bool:
    return bool(shutil.which("node") and shutil.which("npm"))


def command(program: str) -> list[str]:
    """Runs a program of bench/node with the packages, which it installs if they are missing."""
    return [shutil.which("node") or "node", str(_installed() / program)]


def _installed() -> Path:
    """The folder of the packages, outside of this checkout."""
    digest = hashlib.sha256((_NODE / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "callboard" / f"bench-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    names = ("package.json", "package-lock.json", ".npmrc")
    for path in (*(_NODE / name for name in names), *_NODE.glob("*.mjs")):
        shutil.copy(path, folder)
    if not (folder / "installed.stamp").exists():
        subprocess.run(["npm", "ci"], cwd=folder, check=True, timeout=300, stdout=sys.stderr)
        (folder / "installed.stamp").touch()
    return folder
