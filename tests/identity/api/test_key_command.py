"""API keys created on the command line."""

import json
import os
import subprocess
import sys

from runtime.settings import ROOT
from tests.support.api.callers import Caller, Carrier
from tests.support.programs import Program

VIEWER = "{ viewer { ... on ApiKey { name scopes restrictedTo { reference } } } }"


def _create(api: Program, account_id: int, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["key", "create", "edge-1", "--account", str(account_id), *options]
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *command],
        env=os.environ | api.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


async def test_a_key_created_by_command_has_its_scopes(api: Program, carrier: Carrier) -> None:
    process = _create(api, carrier.account_id, "--scope", "LIVE_READ", "--scope", "STATS_READ")
    viewer = await Caller(api.url, process.stdout.strip()).ask(VIEWER)
    assert viewer["viewer"] == {
        "name": "edge-1",
        "scopes": ["LIVE_READ", "STATS_READ"],
        "restrictedTo": None,
    }


async def test_a_key_of_one_customer_is_created_by_its_reference(
    api: Program, carrier: Carrier
) -> None:
    await carrier.customer(reference="shop")
    process = _create(
        api, carrier.account_id, "--scope", "BILLING_READ", "--customer", "shop", "--json"
    )
    answer = json.loads(process.stdout)
    assert set(answer) == {"keyId", "secret"}
    viewer = await Caller(api.url, answer["secret"]).ask(VIEWER)
    assert viewer["viewer"]["restrictedTo"] == {"reference": "shop"}


async def test_an_invalid_key_is_refused_in_one_line(api: Program, carrier: Carrier) -> None:
    await carrier.customer(reference="shop")
    for account_id, options, code in [
        (2**40, ["--scope", "INGEST"], "NOT_FOUND"),
        (carrier.account_id, ["--scope", "LIVE_READ", "--customer", "nobody"], "NOT_FOUND"),
        (carrier.account_id, ["--scope", "INGEST", "--customer", "shop"], "INVALID"),
    ]:
        process = _create(api, account_id, *options)
        assert process.returncode == 1
        assert process.stderr.startswith(f"{code}: ")
        assert process.stderr.count("\n") == 1
