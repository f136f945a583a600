"""The files of the repository that a changed file can affect."""

import ast
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePath


def affected(root: Path, files: Collection[str], edited_files: Collection[str]) -> set[str]:
    """The changed files, and those that import or name one of them, directly or not.

    `files` are all files of the repository, as paths below `root`. A module names another one, a
    package or a file by a string ("server.cli" in a command); a test also names a folder of
    documents. A changed file that is not Python counts as a change of the modules in its folder or
    in the nearest folder above.
    """
    by_name, in_folder = _by_name(files), _in_folder(files)
    users: dict[str, set[str]] = defaultdict(set)
    for path in files:
        if path.endswith(".py") and (root / path).exists():
            for name in _names((root / path).read_text("utf-8")):
                for used in by_name.get(name, ()):
                    users[used].add(path)
                for used in in_folder.get(name, ()) if path.startswith("tests/") else ():
                    users[used].add(path)
    waiting = {path for each in edited_files for path in (each, *_beside(each, files))}
    affected_files: set[str] = set()
    while waiting:
        path = waiting.pop()
        affected_files.add(path)
        waiting |= users[path] - affected_files
    return affected_files


def _by_name(files: Collection[str]) -> dict[str, list[str]]:
    """The files of a name: a path, a module, or a package with its modules."""
    modules: dict[str, list[str]] = defaultdict(list)
    for path in files:
        modules[path].append(path)
        if path.endswith(".py"):
            module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            modules[module].append(path)
            modules[f"{module.rpartition('.')[0]}.*"].append(path)
    return modules


def _in_folder(files: Collection[str]) -> dict[str, list[str]]:
    """The files of each top-level folder that are not Python."""
    modules: dict[str, list[str]] = defaultdict(list)
    for path in files:
        if not path.endswith(".py"):
            modules[path.partition("/")[0]].append(path)
    return modules


def _names(source: str) -> Iterator[str]:
    """The imports of a module, with the packages around it, and the file names in its strings."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=aliases):
                yield from (part for alias in aliases for part in _with_packages(alias.name))
            case ast.ImportFrom(module=str(module), names=aliases):
                yield from _with_packages(module)
                yield from (f"{module}.{alias.name}" for alias in aliases)
            case ast.Constant(value=str(value)) if value:
                yield value.partition(":")[0]
                yield f"{value}.*"


def _with_packages(module: str) -> Iterable[str]:
    parts = module.split(".")
    return (".".join(parts[: n + 1]) for n in range(len(parts)))


def _beside(file: str, files: Collection[str]) -> list[str]:
    """The modules that may read a file which is not Python."""
    if file.endswith(".py"):
        return []
    for folder in PurePath(file).parents:
        modules = [path for path in files if path.endswith(".py")]
        if beside := [path for path in modules if PurePath(path).parent == folder]:
            return beside
    return []
