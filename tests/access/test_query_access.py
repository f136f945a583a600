"""Every kind of caller queries every field, with its own, foreign and unknown ids.

What each field requires is read from its declaration. Other callers get no answer, and an id of
another customer or account answers byte for byte as one that does not exist.
"""

from collections import Counter
from typing import Any

import httpx2
import pytest
from graphql import get_named_type

from schema.engine.permissions import Requirement
from tests.support.api import (
    permission_checks,
    rights,
    sample_values,
    sdl_documents,
    world,
)
from tests.support.api.world import Who, World


def test_these_tests_query_every_field() -> None:
    """No query would select a type that is not reachable from here."""
    reading = sdl_documents.Reading(_no_ids())
    for root_type in ("Query", "Subscription"):
        for name in sdl_documents.type_of(root_type).fields:
            reading.field(sdl_documents.type_of(root_type), name)
    for name in rights.OBJECTS:
        for field in sdl_documents.type_of(name).fields:
            reading.field(sdl_documents.type_of(name), field)
    unseen = {(type, name) for type, name in rights.fields() if type != "Mutation"} - reading.seen
    assert {type for type, _ in unseen} <= _answers_of_mutations()


def _answers_of_mutations() -> set[str]:
    results = [
        get_named_type(field.type) for field in sdl_documents.type_of("Mutation").fields.values()
    ]
    of_results = {type for result in results for type in result.types}  # type: ignore[attr-defined]
    within = {get_named_type(field.type) for type in of_results for field in type.fields.values()}
    return {type.name for type in of_results | within}


def _no_ids() -> Any:
    return {kind: world.Ids("x", None, "x", "x", "x") for kind in set(sample_values.KINDS.values())}


# Queries ----------------------------------------------------------------------------------------


async def test_a_query_serves_permitted_callers_only_and_treats_a_foreign_id_as_unknown(
    everything: World, http: httpx2.AsyncClient, case_counts: Counter[str]
) -> None:
    for name, definition in sdl_documents.type_of("Query").fields.items():
        if name == "node":
            continue
        for slot, kind in [(None, None), *sdl_documents.slots(name, definition)]:
            if slot is None and any(
                sdl_documents.required(argument) and sdl_documents.is_id(argument.type)
                for argument in definition.args.values()
            ):
                continue
            cases = (
                {"own": ""} if kind is None else permission_checks.cases_of(everything.ids[kind])
            )
            head = "query Q " if slot is None else "query Q($id: ID!) "
            for who in everything.everybody:
                text = _reading(everything, who).field(sdl_documents.type_of("Query"), name, slot)
                query = head + f"{{ it: {text} }}"
                answers = await permission_checks.by_case(http, who.asks, query, cases)
                allowed = rights.allows("Query", name, who.may, names_customer=kind == "Customer")
                _judge(f"{name}({slot})", who, cases, answers, allowed, field=None)
                case_counts["queries"] += len(cases)


@pytest.mark.parametrize("type", sorted(rights.OBJECTS))
async def test_only_permitted_callers_see_an_object_and_a_foreign_object_is_not_found(
    everything: World, http: httpx2.AsyncClient, case_counts: Counter[str], type: str
) -> None:
    cases = permission_checks.cases_of(everything.ids[type])
    for needs, group in rights.groups(type):
        for who in everything.everybody:
            reading = _reading(everything, who)
            text = " ".join(reading.field(sdl_documents.type_of(type), name) for name in group)
            node = f"query Q($id: ID!) {{ it: node(id: $id) {{ ... on {type} {{ {text} }} }} }}"
            answers = await permission_checks.by_case(http, who.asks, node, cases)
            allowed = _allows(type, needs, who)
            field = None if needs is None else group[0]
            _judge(f"{type}.{group}", who, cases, answers, allowed, field=field)
            case_counts["fields"] += len(cases) * len(group)


@pytest.mark.parametrize("type", sorted(rights.OBJECTS))
async def test_a_field_argument_treats_a_foreign_id_as_unknown(
    everything: World, http: httpx2.AsyncClient, case_counts: Counter[str], type: str
) -> None:
    for name, definition in sdl_documents.type_of(type).fields.items():
        for slot, kind in sdl_documents.slots(name, definition):
            cases, own = permission_checks.cases_of(everything.ids[kind]), everything.ids[type].own
            needs = rights.requirement(type, name)
            for who in everything.everybody:
                reading = sdl_documents.Reading(everything.ids, parts=False)
                text = reading.field(sdl_documents.type_of(type), name, slot)
                inner = f"... on {type} {{ {text} }}"
                query = f"query Q($of: ID!, $id: ID!) {{ it: node(id: $of) {{ {inner} }} }}"
                answers = await permission_checks.by_case(http, who.asks, query, cases, of=own)
                allowed = _allows(type, needs, who)
                _judge(f"{type}.{name}({slot})", who, cases, answers, allowed, field=name)
                case_counts["ids of fields"] += len(cases)


def _allows(type: str, needs: Requirement | None, who: Who) -> bool:
    return rights.shows(type, who.may) and (needs is None or needs.allows(who.may))


def _reading(everything: World, who: Who) -> sdl_documents.Reading:
    return sdl_documents.Reading(everything.ids, parts=who.may is not None)


def _judge(
    subject: str,
    who: Who,
    cases: dict[str, str],
    answers: dict[str, dict[str, Any]],
    allowed: bool,
    *,
    field: str | None,
) -> None:
    place = f"{subject} as {who.name}"
    own = answers["own"]
    is_shown = permission_checks.is_shown(own, field)
    assert is_shown is allowed, f"{place}: {own}"
    if not is_shown:
        assert permission_checks.code_of(own) in permission_checks.NOTHING | {None}, (
            f"{place}: {own}"
        )
    if allowed and "other" in answers and not who.restricted:
        assert permission_checks.is_shown(answers["other"], field), f"{place}: {answers['other']}"
    none = {
        case: permission_checks.without(answers[case], cases[case])
        for case in cases
        if case != "own"
    }
    for case in ("foreign", "void", *(["other"] if who.restricted else [])):
        if case in none:
            assert none[case] == none["none"], f"{place}, {case}: {none[case]} {none['none']}"
    permission_checks.require_kept(place, who, answers)


async def test_a_key_of_one_customer_cannot_see_the_rest_of_the_account(
    everything: World, http: httpx2.AsyncClient, case_counts: Counter[str]
) -> None:
    keys = [who for who in everything.everybody if who.restricted and "key" in who.name]
    reading = sdl_documents.Reading(everything.ids)
    for needs, names in rights.groups("Account"):
        for name in names:
            text = reading.field(sdl_documents.type_of("Account"), name)
            query = f"{{ viewer {{ ... on ApiKey {{ it: account {{ {text} }} }} }} }}"
            for who in keys:
                [answer] = await permission_checks.answers_of(http, who.asks, [(query, {})])
                if needs is None or name == "customers":
                    assert "errors" not in answer, f"{name} as {who.name}: {answer}"
                else:
                    assert permission_checks.code_of(answer) == "FORBIDDEN", (
                        f"{name} as {who.name}: {answer}"
                    )
                permission_checks.require_kept(name, who, {"own": answer})
                case_counts["of the account"] += 1
