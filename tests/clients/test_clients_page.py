"""Each snippet of docs/clients.md that has a file name, run against the real web process."""

import asyncio
import json
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from runtime.settings import ROOT
from tests.support.api.callers import Carrier
from tests.support.clients import node

pytestmark = [pytest.mark.clients, pytest.mark.usefixtures("packages")]

PAGE = (ROOT / "docs" / "clients.md").read_text()
SNIPPETS: dict[str, str] = dict(
    re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
)
SECONDS = 120.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the page beside the packages and the schema."""
    for name, text in SNIPPETS.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / "node_modules").symlink_to(node.HERE / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(ROOT / "schema" / "schema.graphql", tmp_path)
    return tmp_path


@asynccontextmanager
async def running(
    folder: Path, carrier: Carrier | None, *command: str, **more: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {"PATH": str(Path(shutil.which("node") or "node").parent) + ":/usr/bin:/bin"}
    if carrier is not None:
        environment |= {"CALLBOARD_URL": carrier.url, "CALLBOARD_TOKEN": carrier.owner.token or ""}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment | more, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def printed(folder: Path, carrier: Carrier | None, *command: str, **more: str) -> list[str]:
    """The lines that the command prints until it ends by itself."""
    async with running(folder, carrier, *command, **more) as process, asyncio.timeout(SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode().splitlines()


async def generate(folder: Path) -> None:
    await printed(
        folder, None, "node", "node_modules/.bin/graphql-codegen", "--config", "codegen.ts"
    )


def test_every_snippet_with_a_file_name_is_run_by_these_tests() -> None:
    assert set(SNIPPETS) == {
        "codegen.ts",
        "src/customers.ts",
        "request.mjs",
        "urql.mjs",
        "apollo.mjs",
        "facts.mjs",
        "channels.py",
        "invoices.mjs",
        "block.mjs",
    }
    languages = set(re.findall(r"^```(\w+)$", PAGE, re.M))
    assert languages == {"swift", "kotlin"}


async def test_generated_types_match_the_documents_and_the_scalars(folder: Path) -> None:
    await generate(folder)
    types = (folder / "src/gql/graphql.ts").read_text()
    for scalar, type in [("DateTime", "string"), ("Decimal", "string"), ("Long", "number")]:
        assert f"{scalar}: {{ input: {type}; output: {type}; }}" in types
    possible = json.loads((folder / "src/possible-types.json").read_text())["possibleTypes"]
    assert set(possible["Refusal"]) == {"Conflict", "InvalidInput", "NotFound", "NotPermitted"}
    options = "--noEmit --strict --skipLibCheck --module esnext --moduleResolution bundler"
    tsc = ("node", "node_modules/.bin/tsc", *options.split(), "--target", "es2022")
    assert await printed(folder, None, *tsc, "src/customers.ts") == []


async def test_urql_runs_queries_and_subscriptions(folder: Path, carrier: Carrier) -> None:
    assert await printed(folder, carrier, "node", "urql.mjs") == ["Staff", "0"]


async def test_apollo_receives_refusals_and_subscribes(folder: Path, carrier: Carrier) -> None:
    await generate(folder)
    assert await printed(folder, carrier, "node", "apollo.mjs") == ["NOT_FOUND", "0"]


async def test_a_python_program_runs_queries_and_subscriptions(
    folder: Path, carrier: Carrier
) -> None:
    await carrier.customer(reference="acme")
    assert await printed(folder, carrier, sys.executable, "channels.py") == ["['acme']", "0"]


async def test_facts_are_received_from_the_number_that_the_client_stored(
    folder: Path, carrier: Carrier
) -> None:
    await carrier.customer()
    first = await next_fact(folder, carrier, "0")
    assert first["number"] == 1
    await carrier.customer()
    assert (await next_fact(folder, carrier, "1"))["number"] == 2


async def next_fact(folder: Path, carrier: Carrier, after: str) -> dict[str, int]:
    async with (
        running(folder, carrier, "node", "facts.mjs", CALLBOARD_AFTER=after) as process,
        asyncio.timeout(SECONDS),
    ):
        assert process.stdout is not None
        fact: dict[str, int] = json.loads(await process.stdout.readline())
        return fact


async def test_the_invoice_feed_ends_if_there_are_no_more_invoices(
    folder: Path, carrier: Carrier
) -> None:
    assert await printed(folder, carrier, "node", "invoices.mjs") == []


async def test_a_repeated_request_assigns_one_block(folder: Path, carrier: Carrier) -> None:
    await carrier.customer()
    numbers = {"start": 1000, "end": 9999, "blockSize": 1000}
    await carrier.owner.do("setNumberRange", "NumberRange", "size", **numbers)
    assert await printed(folder, carrier, "node", "block.mjs") == [
        'sent {"first":1000,"last":1999}',
        'sent again {"first":1000,"last":1999}',
    ]
