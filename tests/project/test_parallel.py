"""How the processes of a run share its tests, and which tests a change affects."""

from pathlib import Path

from runtime.settings import ROOT
from tests.support import durations, import_graph, parallel


def ids(folder: str, count: int, module: str = "a") -> list[str]:
    return [f"tests/{folder}/test_{module}.py::test_{n}" for n in range(count)]


def test_a_part_contains_consecutive_tests_of_one_folder_for_20_seconds() -> None:
    tests = [*ids("live", 4), *ids("billing", 3)]
    seconds = dict.fromkeys(ids("live", 4), 10.0) | dict.fromkeys(ids("billing", 3), 1.0)
    parts = parallel.parts(tests, seconds)
    assert list(parts) == tests
    assert [number for folder, number in parts.values() if folder == "tests/live"] == [0, 0, 1, 1]
    assert [number for folder, number in parts.values() if folder == "tests/billing"] == [0, 0, 0]


def test_the_seconds_of_a_module_are_divided_among_its_tests() -> None:
    seconds = parallel.seconds_of([*ids("live", 4), *ids("live", 2, "b")], {"test_a": 60.0})
    assert [seconds[id] for id in ids("live", 4)] == [15.0] * 4
    assert 0 < seconds[ids("live", 1, "b")[0]] < 1


def test_a_process_finishes_its_folder_before_it_helps_the_one_with_most_left() -> None:
    parts = [(("a", 0), 5.0), (("a", 1), 7.0), (("b", 0), 20.0), (("c", 0), 19.0), (("c", 1), 9.0)]
    assert parallel.next_part(parts, "a") == ("a", 1)
    assert parallel.next_part(parts, None) == parallel.next_part(parts, "gone") == ("c", 0)


def test_a_long_part_runs_before_all_others() -> None:
    assert parallel.next_part([(("a", 0), 5.0), (("b", 0), 90.0)], "a") == ("b", 0)


def test_every_module_with_a_recorded_duration_exists() -> None:
    modules = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    assert durations.read().keys() - modules == set()


def test_a_change_affects_the_tests_that_import_or_name_the_file(tmp_path: Path) -> None:
    sources = {
        "domain/money.py": "",
        "models/bills.py": "from domain import money",
        "models/bills.sql": "",
        "models/calls.py": "from domain.periods import HOUR",
        "domain/periods.py": "",
        "server/cli/main.py": "import models.bills",
        "tests/programs.py": 'COMMAND = "server.cli"',
        "tests/test_web.py": "from tests.programs import COMMAND",
        "tests/test_calls.py": "from models import calls",
        "tests/test_page.py": 'PAGE = "docs/page.md"',
        "tests/test_pages.py": 'PAGES = ROOT / "docs"',
        "docs/page.md": "",
    }
    for path, source in sources.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(source)

    def affected(file: str) -> set[str]:
        return {
            path
            for path in import_graph.affected(tmp_path, sources, [file])
            if path.startswith("tests/test_")
        }

    assert affected("domain/money.py") == affected("models/bills.py") == {"tests/test_web.py"}
    assert affected("domain/periods.py") == {"tests/test_calls.py"}
    assert affected("models/bills.sql") == {"tests/test_web.py", "tests/test_calls.py"}
    assert affected("docs/page.md") == {"tests/test_page.py", "tests/test_pages.py"}
    assert affected("tests/test_page.py") == {"tests/test_page.py"}
