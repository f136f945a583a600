"""`./callboard demo`: its start, its numbers and its data."""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from runtime.settings import ROOT
from server.cli import up
from server.cli.demo import text as demo_text
from tests.support import processes
from tests.support.programs import free_port

DASHBOARD = """
{ viewer { __typename ... on Contact { name customer { reference balance { amount currency }
  channels { inUse limit sequence byCarrier { carrier { name } inUse } }
  summary(granularity: DAILY, first: 40) {
    edges { node { open attempts answered charge { amount } } } }
} } } }
"""
PUSHES = 5
DAYS = """
{ customers { edges { node {
  summary(granularity: DAILY, first: 40) { edges { node { periodStart attempts } } } } } } }
"""


@contextmanager
def demo(data_dir: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    process = start_demo(data_dir, port, "1500")
    try:
        assert processes.eventually(
            lambda: "Ctrl-C" in (data_dir / "said.txt").read_text() or process.poll() is not None,
            60,
        )
        assert process.poll() is None, (data_dir / "said.txt").read_text()
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(25) == 0
    finally:
        process.kill()
        process.wait()


def start_demo(data_dir: Path, port: int, records: str) -> subprocess.Popen[str]:
    """A demo whose output is written to `said.txt` of its data folder."""
    arguments = ["demo", "--port", str(port), "--data-dir", str(data_dir), "--records", records]
    with (data_dir / "said.txt").open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "server.cli", *arguments],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def ask(url: str, token: str | None, query: str, **variables: object) -> dict[str, Any]:
    body = post(url, token, query, **variables)
    assert "errors" not in body, body
    data: dict[str, Any] = body["data"]
    return data


def post(url: str, token: str | None, query: str, **variables: object) -> dict[str, Any]:
    answer = httpx2.post(
        f"{url}/graphql",
        json={"query": query, "variables": variables},
        headers={} if token is None else {"Authorization": f"Bearer {token}"},
        timeout=20,
    )
    response: dict[str, Any] = answer.json()
    return response


def sign_in(url: str, login: dict[str, str]) -> str:
    query = "mutation($i: LoginInput!) { login(input: $i) { ... on Session { token } } }"
    token: str = ask(url, None, query, i=login)["login"]["token"]
    return token


def test_the_demo_shows_a_month_and_active_calls_and_keeps_them() -> None:
    with tempfile.TemporaryDirectory(prefix="cb-demo-", ignore_cleanup_errors=True) as name:
        data_dir, port = Path(name), free_port()
        path = data_dir / "credentials.json"
        with demo(data_dir, port):
            credentials = json.loads(path.read_text())
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert readable_logs(data_dir) == []
            url = f"http://127.0.0.1:{port}"
            assert credentials["url"] == url
            assert set(credentials) == {"url", "contact", "staff", "keys"}
            before = dashboard(url, credentials)
            assert len(before["summary"]["edges"]) >= 28
            run_the_printed_query(url, credentials["keys"]["billing"], data_dir)
            find_31_days(url, credentials["keys"]["billing"], data_dir)
            watch_the_channels(url, credentials["keys"]["wallboard"])
            assert ask(url, None, "{ __schema { queryType { name } } }")["__schema"]
            refuse_a_second_demo(data_dir)
        with demo(data_dir, port):
            assert json.loads(path.read_text()) == credentials
            after = dashboard(url, credentials)
            assert closed_rows(after) == closed_rows(before)
        assert processes.eventually(lambda: not processes.running(name), 10)


def test_a_demo_interrupted_during_its_creation_continues_at_the_next_start() -> None:
    with tempfile.TemporaryDirectory(prefix="cb-demo-", ignore_cleanup_errors=True) as name:
        data_dir = Path(name)
        port = free_port()
        process = start_demo(data_dir, port, "4000")
        try:
            assert processes.eventually(lambda: up.is_answering(f"http://127.0.0.1:{port}"), 60)
            process.send_signal(signal.SIGINT)
            assert process.wait(25) == 0
        finally:
            process.kill()
        assert "Traceback" not in (data_dir / "said.txt").read_text()
        assert processes.eventually(lambda: not processes.running(name), 10)
        with demo(data_dir, free_port()):
            assert (data_dir / "credentials.json").exists()


def readable_logs(data_dir: Path) -> list[str]:
    """The log files that other users of the machine may read or write."""
    logs = list((data_dir / "logs").iterdir())
    assert {"web.log", "worker.log", "switch.log", "postgres.log"} <= {log.name for log in logs}
    return [log.name for log in logs if stat.S_IMODE(log.stat().st_mode) != 0o600]


def run_the_printed_query(url: str, key: str, data_dir: Path) -> None:
    """The query that the demo prints is answered: every customer with its last hours."""
    assert f'{{"query":"{demo_text.QUERY}"}}' in (data_dir / "said.txt").read_text()
    edges = ask(url, key, demo_text.QUERY)["customers"]["edges"]
    customers = {edge["node"]["reference"]: edge["node"] for edge in edges}
    assert len(customers) == len(edges) == 5
    for customer in customers.values():
        assert float(customer["balance"]["amount"]) < 0
        assert len(customer["summary"]["edges"]) == 3


def find_31_days(url: str, key: str, data_dir: Path) -> None:
    """Calls on each of the 30 whole days, and on the two that share the 31st between them."""
    plan = json.loads((data_dir / "history.json").read_text())
    end = datetime.fromisoformat(plan["end"])
    first_day, ended = (end - timedelta(days=31)).date(), end.date()
    days: set[date] = set()
    for edge in ask(url, key, DAYS)["customers"]["edges"]:
        rows = [each["node"] for each in edge["node"]["summary"]["edges"]]
        days |= {started_on(row) for row in rows if row["attempts"]}
    whole = {first_day + timedelta(days=number) for number in range(1, 31)}
    assert whole <= days
    assert days - whole <= {first_day, ended, ended + timedelta(days=1)}  # live calls past midnight


def started_on(row: dict[str, Any]) -> date:
    return datetime.fromisoformat(row["periodStart"]).astimezone(UTC).date()


def refuse_a_second_demo(data_dir: Path) -> None:
    arguments = ["demo", "--port", str(free_port()), "--data-dir", str(data_dir)]
    process = subprocess.run(
        [sys.executable, "-m", "server.cli", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert process.returncode == 1
    assert "a demo already runs" in process.stderr


def dashboard(url: str, credentials: dict[str, Any]) -> dict[str, Any]:
    """As soon as the switch has reported its calls, which a new Redis does not have."""
    token = sign_in(url, credentials["contact"])
    assert processes.eventually(lambda: not is_incomplete(post(url, token, DASHBOARD)), 60)
    customer: dict[str, Any] = ask(url, token, DASHBOARD)["viewer"]["customer"]
    assert customer["reference"] == "acme"
    assert float(customer["balance"]["amount"]) < 0
    return customer


def is_incomplete(response: dict[str, Any]) -> bool:
    errors = response.get("errors", [])
    return "LIVE_INCOMPLETE" in [error["extensions"]["code"] for error in errors]


def closed_rows(customer: dict[str, Any]) -> list[dict[str, Any]]:
    return [e["node"] for e in customer["summary"]["edges"] if not e["node"]["open"]]


def watch_the_channels(url: str, key: str) -> None:
    """`./callboard watch` prints states whose sequence rises, with calls up."""
    process = subprocess.run(
        [sys.executable, "-m", "server.cli", "watch", "--url", url, "--count", str(PUSHES)],
        env=os.environ | {"CALLBOARD_KEY": key},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    states = [json.loads(line)["liveChannels"] for line in process.stdout.splitlines()]
    sequences = [state["sequence"] for state in states]
    assert sequences == sorted(set(sequences))
    assert len(states) == PUSHES
    assert any(state["inUse"] > 0 for state in states)
