import json
import os
import subprocess
import sys

from runtime.settings import ROOT
from tests.support.api.callers import PASSWORD, Carrier, sign_in
from tests.support.programs import Program


def _create(api: Program, email: str, password: str) -> subprocess.CompletedProcess[str]:
    command = ["account", "create", "Example Voice", "--email", email, "--json"]
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *command],
        env=os.environ | api.environment | {"CALLBOARD_PASSWORD": password},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


async def test_an_account_created_by_command_has_an_owner_who_can_sign_in(api: Program) -> None:
    process = _create(api, "by-command@voice.example", PASSWORD)
    assert set(json.loads(process.stdout)) == {"accountId", "staffId"}
    owner = await sign_in(api.url, "by-command@voice.example")
    viewer = await owner.ask("{ viewer { ... on Staff { role account { name } } } }")
    assert viewer == {"viewer": {"role": "OWNER", "account": {"name": "Example Voice"}}}


async def test_an_invalid_account_is_refused_in_one_line(api: Program, carrier: Carrier) -> None:
    for email, password, code in [
        (carrier.email, PASSWORD, "EMAIL_TAKEN"),
        ("short@voice.example", "short", "INVALID"),
        ("nobody", PASSWORD, "INVALID"),
    ]:
        process = _create(api, email, password)
        assert process.returncode == 1
        assert process.stderr.startswith(f"{code}: ")
