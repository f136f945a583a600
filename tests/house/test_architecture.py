import re
import tomllib

from runtime.settings import ROOT
from server.cli import main

_TEXT = (ROOT / "ARCHITECTURE.md").read_text()
_CHANGES = (ROOT / "CHANGELOG.md").read_text()


def test_every_room_has_its_row_and_every_row_its_folder() -> None:
    rows = set(re.findall(r"^\| `(\w+)/` \|", _TEXT, re.M))
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["packages"]
    assert set(packages) <= rows
    assert [row for row in rows if not (ROOT / row).is_dir()] == []


def test_the_order_of_imports_is_the_one_that_is_held() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(one["layers"] for one in config["contracts"] if one["type"] == "layers")
    assert " → ".join(f"`{layer}`" for layer in layers) in _TEXT


def test_every_file_that_is_named_exists() -> None:
    named = re.findall(r"`([\w.]+(?:/[\w.]+)+/?)`", _TEXT)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_command_is_in_the_changelog() -> None:
    assert [name for name in main.COMMANDS if f"`{name}" not in _CHANGES] == []
