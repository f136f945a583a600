import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.scale_out import recorder
from tests.support.scale_out.exemptions import EXEMPTIONS, Exemption
from tests.support.scale_out.findings import failures
from tests.support.scale_out.recorder import Statement
from tests.support.scale_out.rules import Rule

_STATEMENT = Statement(
    "SELECT id\n FROM messages m FOR UPDATE", "models.outbox.claim", "models/outbox.py:80"
)
_EXEMPT = (
    Exemption("models.outbox.claim", Rule.ACCOUNT, frozenset({"messages m"}), "A reason."),
    Exemption("models.outbox.claim", Rule.LOCK, frozenset({"messages m"}), "A reason."),
)


def test_a_violation_is_named_with_line_table_rule_and_statement() -> None:
    account, lock = failures([_STATEMENT], (), all_ran=False)

    assert account == (
        "models/outbox.py:80: messages m: each table has its own `account_id = $n` (or a literal)\n"
        "    models.outbox.claim: SELECT id FROM messages m FOR UPDATE"
    )
    assert "FOR UPDATE or SHARE" in lock


def test_a_listed_statement_is_exempt_from_only_that_rule_for_that_table() -> None:
    assert failures([_STATEMENT], _EXEMPT, all_ran=True) == []
    assert len(failures([_STATEMENT], _EXEMPT[:1], all_ran=True)) == 1
    other = Statement("SELECT id FROM proofs", "models.outbox.claim", "models/outbox.py:80")
    assert len(failures([_STATEMENT, other], _EXEMPT, all_ran=True)) == 1


def test_an_unneeded_exemption_is_named_once_all_tests_have_run() -> None:
    fixed = Statement(
        "SELECT id FROM messages m WHERE m.account_id = $1 FOR UPDATE",
        "models.outbox.claim",
        "models/outbox.py:80",
    )

    assert failures([fixed], _EXEMPT, all_ran=False) == []
    assert failures([fixed], _EXEMPT, all_ran=True) == [
        "tests/support/scale_out/exemptions.py: nothing needs this entry any more; remove it:"
        f" models.outbox.claim, {rule}, messages m"
        for rule in ("LOCK", "ACCOUNT")
    ]


@pytest.mark.parametrize("exemption", EXEMPTIONS, ids=lambda entry: entry.function)
def test_each_exemption_names_a_function_and_a_reason(exemption: Exemption) -> None:
    assert callable(pkgutil.resolve_name(exemption.function))
    assert exemption.details
    assert exemption.reason.endswith(".")


@pytest.mark.parametrize(("sql", "code"), [("SELECT 1", 0), ("SELECT id FROM messages", 1)])
def test_a_run_fails_if_any_of_its_processes_ran_a_violating_statement(
    tmp_path: Path, sql: str, code: int
) -> None:
    line = json.dumps({"sql": sql, "function": "models.example.run", "line": "models/example.py:7"})
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.support.scale_out.plugin"]\n')
    (tmp_path / "test_example.py").write_text(
        "import os, pathlib\n"
        "def test_example():\n"
        f"    file = pathlib.Path(os.environ[{recorder.FOLDER!r}], 'other.jsonl')\n"
        f"    file.write_text({line!r})\n"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=recorder.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == code, ran.stdout + ran.stderr
    assert ("models/example.py:7: messages: each table has" in ran.stdout) == (code == 1)
