"""GraphQL over HTTP, by the server audits of graphql-http: https://graphql-http.com"""

import asyncio
from typing import Any

import pytest

from runtime import clock
from tests.support.api.callers import Carrier
from tests.support.clients import node
from tests.support.programs import Program

pytestmark = pytest.mark.clients

AUDITS = """\
22EB 4655 47DE 80D8 82A3 BF61 78D5 2C94 5A70 9C48 9ABE 03D4 A5BF 423L LKJ0 LKJ1 LKJ2 LKJ3 34A2 13EE
6C00 6C01 6C02 6C03 8161 B8B3 94B0 0220 94B1 0221 94B2 0222 4760 4761 4762 4763 2EA1 28B9 D6D5 6A70
58B0 58B1 58B2 58B3 428F 1B7A B6DC BCF8 B7N8 8764 3E3A 572B FDE2 7B9B 865D 556A D586 51FE 74FF 5E5B
86EE
"""
IDS = AUDITS.split()
# They query a type by its name, which requires a sign-in.
INTROSPECTING = {"2EA1", "28B9", "D6D5", "6A70"}

Results = dict[str, dict[str, Any]]


@pytest.fixture(scope="package")
async def signed_in(packages: None, api: Program) -> Results:
    carrier = await Carrier.create(api.url, clock.now())
    assert carrier.owner.token is not None
    return await _audited(api.url, carrier.owner.token)


@pytest.fixture(scope="package")
async def anonymous(packages: None, api: Program) -> Results:
    return await _audited(api.url)


async def _audited(url: str, *bearer: str) -> Results:
    results = await asyncio.to_thread(node.tell, "audits.mjs", f"{url}/graphql", *bearer)
    return {audit["id"]: audit for audit in results}


async def test_the_list_of_audits_is_complete(packages: None) -> None:
    names = await asyncio.to_thread(node.tell, "audits.mjs")
    assert [audit["id"] for audit in names] == IDS
    assert len(IDS) == 61


@pytest.mark.parametrize("audit", IDS)
def test_a_signed_in_client_passes_every_audit(signed_in: Results, audit: str) -> None:
    result = signed_in[audit]
    assert result.get("status") == "ok", result


@pytest.mark.parametrize("audit", [audit for audit in IDS if audit not in INTROSPECTING])
def test_an_unauthenticated_client_passes_every_audit(anonymous: Results, audit: str) -> None:
    result = anonymous[audit]
    assert result.get("status") == "ok", result
