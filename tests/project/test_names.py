import tomllib
from importlib.metadata import distributions, packages_distributions
from importlib.util import find_spec
from pathlib import Path

from runtime.settings import ROOT


def _rooms() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])


def test_no_installed_distribution_shadows_a_package() -> None:
    installed_packages = packages_distributions()
    assert {room: installed_packages[room] for room in _rooms() if room in installed_packages} == {}
    assert list(distributions())


def test_every_package_is_imported_from_the_checkout() -> None:
    for room in _rooms():
        spec = find_spec(room)
        assert spec is not None
        assert spec.origin is not None
        assert Path(spec.origin).is_relative_to(ROOT)


def test_every_package_of_the_checkout_is_declared() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - {"tests", "bench"} == _rooms()


def test_no_two_test_files_have_the_same_name() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
