"""ARCHITECTURE.md names existing files, and describes the folders."""

import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grimp

from ingest import adapters
from runtime.settings import ROOT
from server.cli import main

_TEXT = (ROOT / "ARCHITECTURE.md").read_text()
_DETAILS = (ROOT / "docs/data-flow.md").read_text()
_EXTEND = (ROOT / "CONTRIBUTING.md").read_text().partition("## Extend")[2].partition("\n## ")[0]
_CHANGES = (ROOT / "CHANGELOG.md").read_text()
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
_LAYERS = _PROJECT["importlinter"]["root_packages"]
_FILES = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
).stdout.split()
_MOST = 20  # files of a folder
# One more with each release or decision.
_GROWING = {"models/migrations", "docs/decisions"}


def _graph() -> grimp.ImportGraph:
    return grimp.build_graph(*_LAYERS, cache_dir=None)


def test_every_layer_has_a_row_and_every_row_an_existing_folder() -> None:
    rows = re.findall(r"^\| `(\w+)/` \|", _TEXT, re.M)
    assert sorted(rows) == sorted(_LAYERS)
    assert set(_PROJECT["mypy"]["packages"]) - {"bench", "tests"} <= set(rows)


def test_every_folder_of_a_large_layer_is_in_the_grid() -> None:
    [header] = re.findall(r"^\| subject \| holds \|(.+)\|$", _TEXT, re.M)
    layers = re.findall(r"`(\w+)`", header)
    subjects = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \|((?: ✓? ?\|)+)$", _TEXT, re.M))
    marked = {
        f"{layer}/{subject}"
        for subject, cells in subjects.items()
        for layer, cell in zip(layers, cells.split("|"), strict=False)
        if "✓" in cell
    }
    folders = {"/".join(Path(name).parts[:2]) for name in _FILES if len(Path(name).parts) > 2}
    layer_folders = {folder for folder in folders if folder.split("/")[0] in layers}
    beside = _TEXT.partition("Beside the subjects:")[2].partition("\n## ")[0]
    grid_folders = set(re.findall(r"`(\w+/\w+)/`", beside))
    grid_folders |= {f"tests/{name}" for name in re.findall(r"`(\w+)`", beside)}
    assert marked | grid_folders == layer_folders


def test_the_documented_order_of_imports_is_enforced() -> None:
    contracts = _PROJECT["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert " → ".join(f"`{layer}`" for layer in layers) in _TEXT


def test_every_named_file_exists() -> None:
    file_names = re.findall(r"`([\w.]+(?:/[\w.]+)+/?)`", _TEXT + _DETAILS + _EXTEND)
    assert file_names
    assert [name for name in file_names if not (ROOT / name).exists()] == []


def test_each_file_of_a_path_imports_the_next() -> None:
    graph = _graph()
    steps = re.findall(r"(?=`([\w/]+)\.py` →\s+`([\w/]+)\.py`)", _TEXT)
    assert len(steps) > 12
    for step in steps:
        importer, imported = (name.replace("/", ".") for name in step)
        assert graph.direct_import_exists(importer=importer, imported=imported), step


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = _graph()
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    # What imports nothing that is left goes, until only circles and what imports them is left.
    while leaves := {name for name in imports if not imports[name] & imports.keys()}:
        imports = {name: imported for name, imported in imports.items() if name not in leaves}
    assert sorted(imports) == []


def test_no_test_imports_another_and_helpers_are_in_tests_support() -> None:
    tests = [name for name in _FILES if name.startswith("tests/") and name.endswith(".py")]
    assert [
        (name, imported)
        for name in tests
        for imported in _of_tests((ROOT / name).read_text())
        if not imported.startswith("tests.support")
    ] == []
    plain = re.compile(r"tests/(__init__|support/.+|(.+/)?(test_\w+|conftest))\.py")
    assert [name for name in tests if not plain.fullmatch(name)] == []


def _of_tests(text: str) -> Iterator[str]:
    for package, name in re.findall(
        r"^\s*(?:from|import) (tests[\w.]*)(?: import (\w+))?", text, re.M
    ):
        yield f"{package}.{name}"


def test_no_folder_has_too_many_files() -> None:
    aside = (".graphql", "__init__.py")
    counts = Counter(str(Path(name).parent) for name in _FILES if not name.endswith(aside))
    too_many = {
        folder: count
        for folder, count in counts.items()
        if count > _MOST and folder not in _GROWING
    }
    assert not too_many, f"Move some files of these folders into subfolders: {too_many}"


def test_every_switch_adapter_is_in_the_tuple() -> None:
    modules = {
        Path(name).stem
        for name in _FILES
        if name.startswith("ingest/switches/") and not name.endswith("__init__.py")
    }
    module_names = {
        getattr(adapter, "__name__", "").rpartition(".")[2] for adapter in adapters.ADAPTERS
    }
    assert module_names == modules, f"Not in ingest.adapters.ADAPTERS: {modules - module_names}"
    assert adapters.NATIVE in adapters.ADAPTERS


def test_every_switch_adapter_is_documented() -> None:
    text = (ROOT / "docs/ingest.md").read_text()
    paths = [adapter.CALLS_PATH for adapter in adapters.ADAPTERS]
    missing = [path for path in paths if f"`POST {path}`" not in text]
    assert not missing, f"Not in docs/ingest.md: {missing}"


def test_every_command_is_in_the_changelog() -> None:
    assert [name for name in main.COMMANDS if f"`{name}" not in _CHANGES] == []
