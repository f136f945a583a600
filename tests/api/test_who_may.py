"""Everybody asks and does everything there is, with ids of their own, of others and of nobody.

The table is `who_may.py`. What is not allowed there is not answered, and an id of another customer
or another account answers byte for byte as one that does not exist.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asked
import graphql
import httpx2
import pytest
import who_may
import world
from callers import PASSWORD, Caller, sign_in
from programs import Program
from redis.asyncio import Redis
from sockets import hear, say, signed_in, subscribe
from who_may import ANSWERS, FIELDS, MUTATIONS, OBJECTS, PARTS, QUERY, SUBSCRIPTIONS
from world import Who, World

from models import db
from resolvers import access

NOTHING = {"FORBIDDEN", "NOT_FOUND", "UNAUTHENTICATED"}
BATCH = 10
Operation = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
async def everything(api: Program, api_redis: Redis) -> World:
    found = await world.create(api.url)
    await _settled(found)
    return found


@pytest.fixture(scope="module")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
async def counted() -> AsyncIterator[Counter[str]]:
    """Cases by what they are about, printed at the end (`pytest -s`)."""
    counts: Counter[str] = Counter()
    yield counts
    print("\ncases of who may:", dict(counts), "in all", counts.total())


async def _settled(found: World) -> None:
    """The live window is filled from the records, once, before it answers."""
    async with asyncio.timeout(15):
        query = "query Q($id: ID!) { customer(id: $id) { liveStats { sequence } } }"
        while True:
            if "errors" not in await found.account.owner.send(query, id=found.ids["Customer"].own):
                return
            await asyncio.sleep(0.05)


async def _all(
    client: httpx2.AsyncClient, caller: Caller, operations: list[Operation]
) -> list[dict[str, Any]]:
    """The answers, without what each has cost."""
    answers: list[dict[str, Any]] = []
    for first in range(0, len(operations), BATCH):
        batch = [
            {"query": query, "variables": variables}
            for query, variables in operations[first : first + BATCH]
        ]
        answer = await client.post(f"{caller.url}/graphql", json=batch, headers=caller.headers)
        answers += [
            {key: value for key, value in one.items() if key != "extensions"}
            for one in answer.json()
        ]
    return answers


def _code(answer: dict[str, Any]) -> str | None:
    errors = answer.get("errors")
    return errors[0]["extensions"]["code"] if errors else None


def _without(answer: dict[str, Any], sent: str) -> str:
    return json.dumps(answer).replace(sent, "<id>")


# The table is whole ----------------------------------------------------------------------------


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


# Queries ---------------------------------------------------------------------------------------


def _given(ids: world.Ids) -> dict[str, str]:
    return {case: id for case, id in vars(ids).items() if id is not None}


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
            cases = {"own": ""} if kind is None else _given(everything.ids[kind])
            head = "query Q " if slot is None else "query Q($id: ID!) "
            for who in everything.everybody:
                text = _reading(everything, who).field(asked.type_of("Query"), name, slot)
                operations = [(head + f"{{ it: {text} }}", {"id": id}) for id in cases.values()]
                answers = dict(zip(cases, await _all(http, who.asks, operations), strict=True))
                allowed = QUERY[name].allows(who.may, names_customer=kind == "Customer")
                _judge(f"{name}({slot})", who, cases, answers, allowed, field=None)
                counted["queries"] += len(cases)


@pytest.mark.parametrize("type", sorted(OBJECTS))
async def test_an_object_is_shown_to_who_may_alone_and_a_foreign_one_as_none(
    everything: World, http: httpx2.AsyncClient, counted: Counter[str], type: str
) -> None:
    cases = _given(everything.ids[type])
    for names, needs in FIELDS[type].items():
        groups = [names.split()] if needs is None else [[name] for name in names.split()]
        for group in groups:
            for who in everything.everybody:
                reading = _reading(everything, who)
                text = " ".join(reading.field(asked.type_of(type), name) for name in group)
                node = f"query Q($id: ID!) {{ it: node(id: $id) {{ ... on {type} {{ {text} }} }} }}"
                answers = await _all(http, who.asks, [(node, {"id": id}) for id in cases.values()])
                shown = OBJECTS[type].allows(who.may)
                allowed = shown and (needs is None or access.may(who.may, needs))  # type: ignore[arg-type]
                told = dict(zip(cases, answers, strict=True))
                field = None if needs is None else group[0]
                _judge(f"{type}.{group}", who, cases, told, allowed, field=field)
                counted["fields"] += len(cases) * len(group)


@pytest.mark.parametrize("type", sorted(OBJECTS))
async def test_an_id_that_a_field_takes_answers_as_none_where_it_is_foreign(
    everything: World, http: httpx2.AsyncClient, counted: Counter[str], type: str
) -> None:
    for name, definition in asked.type_of(type).fields.items():
        for slot, kind in asked.slots(name, definition):
            cases, own = _given(everything.ids[kind]), everything.ids[type].own
            needs = next(need for names, need in FIELDS[type].items() if name in names.split())
            for who in everything.everybody:
                text = _reading(everything, who).field(asked.type_of(type), name, slot)
                inner = f"... on {type} {{ {text} }}"
                query = f"query Q($of: ID!, $id: ID!) {{ it: node(id: $of) {{ {inner} }} }}"
                operations = [(query, {"of": own, "id": id}) for id in cases.values()]
                answers = dict(zip(cases, await _all(http, who.asks, operations), strict=True))
                shown = OBJECTS[type].allows(who.may)
                allowed = shown and (needs is None or access.may(who.may, needs))  # type: ignore[arg-type]
                _judge(f"{type}.{name}({slot})", who, cases, answers, allowed, field=name)
                counted["ids of fields"] += len(cases)


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
    shown = _shown(own, field)
    assert shown is allowed, f"{place}: {own}"
    if not shown:
        assert _code(own) in NOTHING | {None}, f"{place}: {own}"
    if allowed and "other" in answers and not who.restricted:
        assert _shown(answers["other"], field), f"{place}: {answers['other']}"
    none = {case: _without(answers[case], cases[case]) for case in cases if case != "own"}
    for case in ("foreign", "void", *(["other"] if who.restricted else [])):
        if case in none:
            assert none[case] == none["none"], f"{place}, {case}: {none[case]} {none['none']}"
    _keeps(place, who, answers)


def _shown(answer: dict[str, Any], field: str | None) -> bool:
    if answer.get("errors") or answer.get("data", {}).get("it") is None:
        return False
    return field is None or answer["data"]["it"][field] is not None


def _keeps(place: str, who: Who, answers: dict[str, dict[str, Any]]) -> None:
    """No name of what is not theirs, whatever was asked."""
    told = json.dumps(list(answers.values()))
    assert "INTERNAL" not in told, f"{place}: {told}"
    assert world.FOREIGN not in told, f"{place}: {told}"
    assert not who.restricted or world.OTHERS not in told, f"{place}: {told}"


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
                [answer] = await _all(http, who.asks, [(query, {})])
                if needs is None or name == "customers":
                    assert "errors" not in answer, f"{name} as {who.name}: {answer}"
                else:
                    assert _code(answer) == "FORBIDDEN", f"{name} as {who.name}: {answer}"
                _keeps(name, who, {"own": answer})
                counted["of the account"] += 1


# Mutations -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_a_mutation_is_done_for_who_may_alone_and_a_foreign_id_is_none(
    everything: World, http: httpx2.AsyncClient, counted: Counter[str], mutation: str
) -> None:
    line, slots = MUTATIONS[mutation], asked.mutation_slots(mutation)
    # Checking a password takes long, whoever asks.
    for who in everything.everybody[-1:] if line.public else everything.everybody:
        asks = await _signed_in_anew(everything, who) if line.ends_session else who.asks
        [answer] = await _all(http, asks, [_doing(everything, mutation, None, "")])
        _judge_done(f"{mutation} as {who.name}", line, who, answer)
        counted["mutations"] += 1
        for slot, kind in slots:
            cases = {case: id for case, id in _given(everything.ids[kind]).items() if case != "own"}
            operations = [_doing(everything, mutation, slot, id) for id in cases.values()]
            answers = await _all(http, who.asks, operations)
            _judge_ids(mutation, slot, kind, who, cases, dict(zip(cases, answers, strict=True)))
            counted["mutations"] += len(cases)


async def _signed_in_anew(everything: World, who: Who) -> Caller:
    if who.may is None or who.may.session_id is not None or "key" in who.name:
        return who.asks
    if who.restricted:
        return await everything.account.contact(everything.ids["Customer"].own)
    return await everything.account.staff(str(who.may.role))


def _doing(everything: World, mutation: str, slot: str | None, id: str) -> Operation:
    input = asked.input_of(mutation, MUTATIONS[mutation], everything.ids, slot, id)
    wanted = "{ __typename ... on Refusal { code message field } }"
    if input is None:
        return f"mutation {{ it: {mutation} {wanted} }}", {}
    query = f"mutation M($i: {asked.input_type(mutation)}) {{ it: {mutation}(input: $i) {wanted} }}"
    return query, {"i": input}


def _judge_done(place: str, line: who_may.Doing, who: Who, answer: dict[str, Any]) -> None:
    assert "errors" not in answer, f"{place}: {answer}"
    done = answer["data"]["it"]
    code = done.get("code")
    if line.public or line.allows(who.may, names_customer=True):
        assert code is None or code in line.behind, f"{place}: {done}"
    elif who.may is None:
        assert code == "UNAUTHENTICATED", f"{place}: {done}"
    else:
        assert done["__typename"] == "NotPermitted" or code == "NO_SESSION", f"{place}: {done}"


def _judge_ids(
    mutation: str,
    slot: str,
    kind: str,
    who: Who,
    cases: dict[str, str],
    answers: dict[str, dict[str, Any]],
) -> None:
    place = f"{mutation}({slot}) as {who.name}"
    told = {case: _without(answer, cases[case]) for case, answer in answers.items()}
    not_done = ["foreign", "void", "none", *(["other"] if who.restricted else [])]
    for case in not_done:
        if case in answers:
            assert "code" in answers[case]["data"]["it"], f"{place}, {case}: {answers[case]}"
    # A row says itself whose it is: of another customer it does not fit the input's.
    same = ("foreign", "void") if kind == "SummaryRow" else not_done
    for case in same:
        if case in told:
            assert told[case] == told[same[0]], f"{place}, {case}: {told}"
    _keeps(place, who, answers)


# Subscriptions ---------------------------------------------------------------------------------


async def test_a_subscription_tells_who_may_alone_and_a_foreign_id_is_none(
    everything: World, counted: Counter[str]
) -> None:
    for who in everything.everybody:
        heard: dict[str, tuple[str, str, str]] = {}
        async with signed_in(who.asks.url, who.asks.token) as socket:
            for name, definition in asked.type_of("Subscription").fields.items():
                for case, id in {"": None, **_given(everything.ids["Customer"])}.items():
                    slot = None if id is None else "customerId"
                    if id is None and asked.required(definition.args["customerId"]):
                        continue
                    text = asked.Reading(everything.ids).field(
                        asked.type_of("Subscription"), name, slot
                    )
                    head = "subscription S" if id is None else "subscription S($id: ID!)"
                    key = f"{name}-{case}"
                    heard[key] = (name, case, id or "")
                    variables = {} if id is None else {"variables": {"id": id}}
                    await say(socket, subscribe(key, f"{head} {{ it: {text} }}", **variables))
            told = await _first_of_each(socket, set(heard))
        _judge_told(who, heard, told)
        counted["subscriptions"] += len(heard)


async def _first_of_each(socket: Any, ids: set[str]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    while set(told) < ids:
        message = await hear(socket)
        if message["type"] in ("next", "error"):
            told.setdefault(message["id"], message)
    return told


def _judge_told(who: Who, heard: dict[str, tuple[str, str, str]], told: dict[str, Any]) -> None:
    answers: dict[str, dict[str, str]] = {}
    for key, (name, case, id) in heard.items():
        place = f"{name}({case}) as {who.name}"
        answer = {"payload": told[key]["payload"]}
        refused = told[key]["type"] == "error" or "errors" in told[key]["payload"]
        line = SUBSCRIPTIONS[name]
        mine = case in ("", "own") or (case == "other" and not who.restricted)
        allowed = mine and line.allows(who.may, names_customer=case != "")
        assert refused is not allowed, f"{place}: {told[key]}"
        _keeps(place, who, {case: answer})
        if refused:
            answers.setdefault(name, {})[case] = _without(answer, id) if id else ""
    for name, by_case in answers.items():
        for case in {"other", "foreign", "void"} & set(by_case):
            if case != "other" or who.restricted:
                assert by_case[case] == by_case["none"], f"{name} as {who.name}: {by_case}"


# The audit log ---------------------------------------------------------------------------------


async def test_every_mutation_stands_in_the_audit_log_with_nothing_secret(
    everything: World, http: httpx2.AsyncClient
) -> None:
    """After all that was done above; what was not, is done here."""
    owner = everything.everybody[0]
    for mutation in MUTATIONS:
        if not MUTATIONS[mutation].ends_session:
            await _all(http, owner.asks, [_doing(everything, mutation, None, "")])
    await _draft_issued_and_discarded(everything)
    await sign_in(everything.account.url, everything.account.email)
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT action, row_to_json(audit_log)::text AS text FROM audit_log"
            " WHERE account_id = $1",
            everything.account.account_id,
        )
        secrets = await conn.fetch(
            "SELECT password_hash AS secret FROM logins WHERE password_hash IS NOT NULL"
            " UNION SELECT encode(secret_hash, 'hex') FROM api_keys"
            " UNION SELECT encode(secret_hash, 'hex') FROM sessions"
        )
    actions = {row["action"] for row in rows}
    unaudited = {
        mutation: line.audited
        for mutation, line in MUTATIONS.items()
        if not line.audited.startswith("not: ") and line.audited not in actions
    }
    assert unaudited == {}
    log = "\n".join(row["text"] for row in rows)
    tokens = [who.asks.token.rpartition("_")[2] for who in everything.everybody if who.asks.token]
    for secret in [PASSWORD, "argon2", *tokens, *(row["secret"] for row in secrets)]:
        assert secret not in log


async def _draft_issued_and_discarded(everything: World) -> None:
    owner, customer = everything.account.owner, everything.ids["Customer"].own
    query = world.ROWS.replace("first: 1", "first: 5")
    rows = (await owner.ask(query, c=customer))["customer"]["summary"]["edges"]
    then_does = [("discardDraft", {}), ("issueInvoice", {"idempotencyKey": "x"})]
    for number, (then, more) in enumerate(then_does):
        draft = await owner.do(
            "generateInvoice",
            "Invoice",
            "id",
            customerId=customer,
            rowIds=[rows[-1]["node"]["id"]],
            idempotencyKey=f"draft-{number}",
            issue=False,
        )
        done = await owner.do(then, "Invoice", "id", invoiceId=draft["id"], **more)
        assert done["__typename"] == "Invoice", done


async def test_no_entry_of_the_audit_log_can_be_changed_or_removed(everything: World) -> None:
    for statement in (
        "UPDATE audit_log SET actor = 'staff:1'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
    ):
        async with db.connection() as conn:
            with pytest.raises(Exception, match="only added to"):
                await conn.execute(statement)
