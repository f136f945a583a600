"""`./callboard reconcile`: its output and exit codes."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from runtime.settings import ROOT
from tests.support.billing.books import Books, at, open_customer

PERIOD = ("--from", "2026-11-01", "--to", "2026-11-10T00:00:00Z")


@pytest.fixture
def environment(database: str, services: Any) -> dict[str, str]:
    return {
        **os.environ,
        "CALLBOARD_DATABASE_URL": database,
        "CALLBOARD_REDIS_URL": services.redis_url,
        "COLUMNS": "200",
    }


def reconcile(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server.cli", "reconcile", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_the_command_lists_every_customer_and_exits_with_0_if_all_agree(
    books: Books, environment: dict[str, str]
) -> None:
    other = await open_customer(books, "second")
    await books.call(at(2), "1.5", customer_id=other)
    await books.rebuild()
    ended = reconcile(environment, "--account", str(books.account_id), *PERIOD)
    assert ended.returncode == 0, ended.stderr
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert ["first", "0", "0", "0", "0", "0", "0", "EUR", "agree"] in lines
    agreed = ["second", "1", "1.5", "1", "1.5", "1.5", "0", "EUR", "agree", "1", "NOT_INVOICED"]
    assert agreed in lines


async def test_the_command_names_differences_and_exits_with_1(
    books: Books, environment: dict[str, str]
) -> None:
    await books.call(at(2), "1.5")
    await books.rebuild()
    await books.sql("UPDATE ledger_entries SET amount = 1.4")
    of = ("--account", str(books.account_id), *PERIOD, "--customer", "first")
    ended = reconcile(environment, *of)
    assert ended.returncode == 1
    detail = "the ledger has 1.4, but 1.5 was posted"
    assert f"differs  first  2026-11-02 09:00  {detail}" in ended.stdout
    ended = reconcile(environment, *of, "--json")
    assert ended.returncode == 1
    assert json.loads(ended.stdout) == [
        {
            "customer": "first",
            "currency": "EUR",
            "balanced": False,
            "records": {"calls": 1, "charge": "1.5"},
            "rows": {"calls": 1, "charge": "1.5"},
            "ledger": {"charge": "1.4"},
            "invoiced": {"charge": "0"},
            "frozenHours": 0,
            "pending": [{"hour": "2026-11-02T09:00:00Z", "reason": "NOT_INVOICED"}],
            "differences": [
                {
                    "hour": "2026-11-01T00:00:00Z",
                    "detail": "the stored balance is -1.5, the ledger sums to -1.4",
                },
                {"hour": "2026-11-02T09:00:00Z", "detail": detail},
            ],
        }
    ]


async def test_invalid_arguments_exit_with_2(books: Books, environment: dict[str, str]) -> None:
    account = ("--account", str(books.account_id))
    for arguments, message in [
        ((*account, *PERIOD, "--customer", "nobody"), "no customer nobody"),
        (("--account", "99", *PERIOD), "account 99 has no customer"),
        ((*account, "--from", "soon", "--to", "2026-11-02"), "RFC 3339"),
        ((*account, "--from", "2026-11-01T09:00:00", "--to", "2026-11-02"), "needs a time zone"),
        ((*account, "--from", "2026-11-02", "--to", "2026-11-01"), "whole UTC hours"),
        ((*account, "--from", "2026-11-01T00:30:00Z", "--to", "2026-11-02"), "whole UTC hours"),
    ]:
        ended = reconcile(environment, *arguments)
        assert ended.returncode == 2, (arguments, ended.stdout, ended.stderr)
        assert message in ended.stderr
        assert "Traceback" not in ended.stderr
