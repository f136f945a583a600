"""Everybody asks everything there is, with ids of their own, of others and of nobody.

The table is `who_may.py`. What is not allowed there is not answered, and an id of another customer
or another account answers byte for byte as one that does not exist.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import asked
import graphql
import httpx2
import judging
import pytest
import who_may
import world
from who_may import ANSWERS, FIELDS, MUTATIONS, OBJECTS, PARTS, QUERY, SUBSCRIPTIONS
from world import Who, World

from resolvers import access

# The table is whole -----------------------------------------------------------------------------


def _names(lines: dict[str, Any]) -> set[str]:
    return {name for names in lines for name in names.split()}


def _missing() -> Iterator[str]:
    for root_type, lines in (
        ("Query", QUERY),
        ("Mutation", MUTATIONS),
        ("Subscription", SUBSCRIPTIONS),
    ):
        fields = set(asked.type_of(root_type).fields)
        yield from (f"{root_type}.{name}" for name in fields ^ set(lines))
    for name, type in asked.SCHEMA.type_map.items():
        if not isinstance(type, graphql.GraphQLObjectType) or name.startswith("__"):
            continue
        if name in ("Query", "Mutation", "Subscription"):
            continue
        fields, plain = set(type.fields), {**PARTS, **ANSWERS}.get(name)
        if name in FIELDS:
            listed = _names(dict(FIELDS[name]))
        elif plain is None and (fields == {"edges", "pageInfo"} or fields == {"cursor", "node"}):
            continue
        else:
            listed = set((plain or "").split())
        yield from (f"{name}.{field}" for field in fields ^ listed)


def test_every_field_mutation_and_subscription_has_its_line() -> None:
    assert sorted(_missing()) == [], "see tests/api/who_may.py"


def test_every_field_is_asked_by_these_tests() -> None:
    """A type that nothing here leads to would be asked by nobody."""
    reading = asked.Reading(_no_ids())
    for root_type in ("Query", "Subscription"):
        for name in asked.type_of(root_type).fields:
            reading.field(asked.type_of(root_type), name)
    for name in FIELDS:
        for field in asked.type_of(name).fields:
            reading.field(asked.type_of(name), field)
    seen = {type for type, _ in reading.seen}
    assert seen >= set(PARTS) | set(FIELDS)


def _no_ids() -> Any:
    return {kind: world.Ids("x", None, "x", "x", "x") for kind in set(who_may.KINDS.values())}


# Queries ----------------------------------------------------------------------------------------


async def test_a_query_answers_who_may_alone_and_a_foreign_id_as_none(
    everything: World, http: httpx2.AsyncClient, counted: Counter[str]
) -> None:
    for name, definition in asked.type_of("Query").fields.items():
        if name == "node":
            continue
        for slot, kind in [(None, None), *asked.slots(name, definition)]:
            if slot is None and any(
                asked.required(one) and asked.is_id(one.type) for one in definition.args.values()
            ):
                continue
            cases = {"own": ""} if kind is None else judging.cases_of(everything.ids[kind])
            head = "query Q " if slot is None else "query Q($id: ID!) "
            for who in everything.everybody:
                text = _reading(everything, who).field(asked.type_of("Query"), name, slot)
                query = head + f"{{ it: {text} }}"
                answers = await judging.by_case(http, who.asks, query, cases)
                allowed = QUERY[name].allows(who.may, names_customer=kind == "Customer")
                _judge(f"{name}({slot})", who, cases, answers, allowed, field=None)
                counted["queries"] += len(cases)


@pytest.mark.parametrize("type", sorted(OBJECTS))
async def test_an_object_is_shown_to_who_may_alone_and_a_foreign_one_as_none(
    everything: World, http: httpx2.AsyncClient, counted: Counter[str], type: str
) -> None:
    cases = judging.cases_of(everything.ids[type])
    for names, needs in FIELDS[type].items():
        groups = [names.split()] if needs is None else [[name] for name in names.split()]
        for group in groups:
            for who in everything.everybody:
                reading = _reading(everything, who)
                text = " ".join(reading.field(asked.type_of(type), name) for name in group)
                node = f"query Q($id: ID!) {{ it: node(id: $id) {{ ... on {type} {{ {text} }} }} }}"
                told = await judging.by_case(http, who.asks, node, cases)
                allowed = _allows(type, needs, who)
                field = None if needs is None else group[0]
                _judge(f"{type}.{group}", who, cases, told, allowed, field=field)
                counted["fields"] += len(cases) * len(group)


@pytest.mark.parametrize("type", sorted(OBJECTS))
async def test_an_id_that_a_field_takes_answers_as_none_where_it_is_foreign(
    everything: World, http: httpx2.AsyncClient, counted: Counter[str], type: str
) -> None:
    for name, definition in asked.type_of(type).fields.items():
        for slot, kind in asked.slots(name, definition):
            cases, own = judging.cases_of(everything.ids[kind]), everything.ids[type].own
            needs = next(need for names, need in FIELDS[type].items() if name in names.split())
            for who in everything.everybody:
                reading = asked.Reading(everything.ids, parts=False)
                text = reading.field(asked.type_of(type), name, slot)
                inner = f"... on {type} {{ {text} }}"
                query = f"query Q($of: ID!, $id: ID!) {{ it: node(id: $of) {{ {inner} }} }}"
                answers = await judging.by_case(http, who.asks, query, cases, of=own)
                allowed = _allows(type, needs, who)
                _judge(f"{type}.{name}({slot})", who, cases, answers, allowed, field=name)
                counted["ids of fields"] += len(cases)


def _allows(type: str, needs: access.Capability | None, who: Who) -> bool:
    shown = OBJECTS[type].allows(who.may)
    return shown and (needs is None or who_may.Line(needs).allows(who.may))


def _reading(everything: World, who: Who) -> asked.Reading:
    return asked.Reading(everything.ids, parts=who.may is not None)


def _judge(
    what: str,
    who: Who,
    cases: dict[str, str],
    answers: dict[str, dict[str, Any]],
    allowed: bool,
    *,
    field: str | None,
) -> None:
    place = f"{what} as {who.name}"
    own = answers["own"]
    shown = judging.is_shown(own, field)
    assert shown is allowed, f"{place}: {own}"
    if not shown:
        assert judging.code_of(own) in judging.NOTHING | {None}, f"{place}: {own}"
    if allowed and "other" in answers and not who.restricted:
        assert judging.is_shown(answers["other"], field), f"{place}: {answers['other']}"
    none = {case: judging.without(answers[case], cases[case]) for case in cases if case != "own"}
    for case in ("foreign", "void", *(["other"] if who.restricted else [])):
        if case in none:
            assert none[case] == none["none"], f"{place}, {case}: {none[case]} {none['none']}"
    judging.require_kept(place, who, answers)


async def test_a_key_of_one_customer_sees_nothing_of_the_whole_account_through_it(
    everything: World, http: httpx2.AsyncClient, counted: Counter[str]
) -> None:
    keys = [who for who in everything.everybody if who.restricted and "key" in who.name]
    reading = asked.Reading(everything.ids)
    for names, needs in FIELDS["Account"].items():
        for name in names.split():
            text = reading.field(asked.type_of("Account"), name)
            query = f"{{ viewer {{ ... on ApiKey {{ it: account {{ {text} }} }} }} }}"
            for who in keys:
                [answer] = await judging.answers_of(http, who.asks, [(query, {})])
                if needs is None or name == "customers":
                    assert "errors" not in answer, f"{name} as {who.name}: {answer}"
                else:
                    assert judging.code_of(answer) == "FORBIDDEN", f"{name} as {who.name}: {answer}"
                judging.require_kept(name, who, {"own": answer})
                counted["of the account"] += 1
