"""Only the canonical form of an id is an id, in every argument. `-s` prints the tables: the
number of values that were tried at each entrance, and of places."""

from typing import Any

import httpx2
import pytest

from runtime import clock
from tests.support.api import permission_checks, sdl_documents
from tests.support.api.callers import Carrier
from tests.support.api.mutation_cases import CASES
from tests.support.api.rights import type_of
from tests.support.api.world import World
from tests.support.inputs import near_ids
from tests.support.inputs.entrances import ENTRANCES, UNREADABLE, Callers

ENDS_SESSION = {name for name, case in CASES.items() if case.ends_session}


@pytest.mark.parametrize("entrance", ["GraphQL variable", "GraphQL literal"])
async def test_a_text_is_an_id_if_and_only_if_it_was_handed_out(
    carrier: Carrier, other: Carrier, entrance: str
) -> None:
    valid = [await carrier.customer() for _ in range(12)]
    foreign = [await other.customer(), (await carrier.owner.ask(ACCOUNT))["viewer"]["id"]]
    values = near_ids.random_variants([*valid, *foreign], 300)
    values += [*valid, *foreign, *near_ids.variants(valid[0])]
    callers = Callers(carrier.owner, carrier.owner, clock.now().isoformat(), customer="")
    codes = await ENTRANCES[entrance][0](callers, "id", values)
    wrong = [
        (value, code)
        for value, code in zip(values, codes, strict=True)
        if code not in ({None} if value in valid else {"NOT_FOUND", "BAD_TEXT", UNREADABLE})
    ]
    assert wrong == []
    print(f"| id | {entrance} | {len(values)} tried | {sum(v in valid for v in values)} valid |")


@pytest.mark.parametrize("number", [5, 0, -1, 2**31, 2**63, 1.0, True, None, ["x"], {"id": "x"}])
async def test_a_value_that_is_not_text_is_no_id(carrier: Carrier, number: Any) -> None:
    await carrier.customer()
    answer = await carrier.owner.send("query Q($v: ID!) { node(id: $v) { id } }", v=number)
    assert "INTERNAL" not in str(answer)
    assert not (answer.get("data") or {}).get("node")


# Some arguments accept either.
ALIKE = ({"Contact", "Staff"}, {"SummaryRow", "AccountSummaryRow"})
ACCOUNT = "{ viewer { ... on Staff { id } } }"
READ = [
    (name, slot, kind)
    for name, field in type_of("Query").fields.items()
    for slot, kind in sdl_documents.slots(name, field)
]
DONE = [
    (name, slot, kind)
    for name in sorted(CASES.keys() - ENDS_SESSION)
    for slot, kind in sdl_documents.mutation_slots(name)
]


async def test_a_text_similar_to_an_id_finds_no_object(
    everything: World, http: httpx2.AsyncClient
) -> None:
    count = 0
    for name, slot, kind in READ:
        reading = sdl_documents.Reading(everything.ids, parts=False)
        query = f"query Q($id: ID!) {{ it: {reading.field(type_of('Query'), name, slot)} }}"
        ids = _near(everything, kind) if name != "node" else _near_any(everything)
        operations = [(query, {"id": id}) for id in ids]
        await _require_as_none(f"{name}({slot})", everything, http, operations, ids)
        count += len(ids) - 1
    print(f"| id | {len(READ)} arguments of queries | {count} tried | 0 valid |")


async def test_a_mutation_with_a_text_similar_to_an_id_changes_nothing(
    everything: World, http: httpx2.AsyncClient
) -> None:
    count = 0
    for number, (name, slot, kind) in enumerate(DONE):
        none, *near = _near(everything, kind)
        ids = [none, *near[number % 4 :: 4]]  # each change at a quarter of the arguments
        operations = [_doing(everything, name, slot, id) for id in ids]
        await _require_as_none(f"{name}({slot})", everything, http, operations, ids)
        count += len(ids) - 1
    print(f"| id | {len(DONE)} arguments of mutations | {count} tried | 0 valid |")


def _doing(everything: World, mutation: str, slot: str, id: str) -> permission_checks.Operation:
    input = sdl_documents.input_of(mutation, CASES[mutation], everything.ids, slot, id)
    assert input is not None
    return sdl_documents.operation(
        mutation, input, "{ __typename ... on Refusal { code message field } }"
    )


def _near(everything: World, kind: str) -> list[str]:
    """First an id that nothing has; ids of other kinds too."""
    ids = everything.ids[kind]
    same = next((kinds for kinds in ALIKE if kind in kinds), {kind})
    others = [results.own for name, results in everything.ids.items() if name not in same]
    return [ids.none, *near_ids.variants(ids.own), *others]


def _near_any(everything: World) -> list[str]:
    """`node` finds ids of every kind."""
    near = [text for ids in everything.ids.values() for text in near_ids.variants(ids.own)]
    return [everything.ids["Customer"].none, *near]


def _is_refused(text: str) -> bool:
    return '"NOT_FOUND"' in text or '"BAD_TEXT"' in text


async def _require_as_none(
    place: str,
    everything: World,
    http: httpx2.AsyncClient,
    operations: list[permission_checks.Operation],
    ids: list[str],
) -> None:
    answers = await permission_checks.answers_of(http, everything.account.owner, operations)
    codes = [
        permission_checks.without(answer, id or "<id>")
        for answer, id in zip(answers, ids, strict=True)
    ]
    wrong = [
        (id, text)
        for id, text in zip(ids, codes, strict=True)
        if text != codes[0] and not _is_refused(text)
    ]
    assert wrong == [], f"{place}: {codes[0]}"
