"""Everybody does everything there is, with ids of their own, of others and of nobody."""

from collections import Counter
from collections.abc import Set
from dataclasses import replace
from typing import Any

import asked
import httpx2
import judging
import pytest
import who_may
import world
from callers import PASSWORD, Caller, Carrier, sign_in
from judging import Operation
from who_may import MUTATIONS
from world import Who, World

from domain import tokens
from domain.callers import Kind
from models import db
from runtime import clock
from schema import base


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_a_mutation_is_done_for_who_may_alone_and_a_foreign_id_is_none(
    everything: World, http: httpx2.AsyncClient, counted: Counter[str], mutation: str
) -> None:
    line, slots, done = MUTATIONS[mutation], asked.mutation_slots(mutation), 0
    everything = await _with_new_ones(everything, {kind for _, kind in slots})
    # Checking a password takes long, whoever asks.
    for who in everything.everybody[-1:] if line.public else everything.everybody:
        asks = await _signed_in_anew(everything, who) if line.ends_session else who.asks
        [answer] = await judging.answers_of(http, asks, [_doing(everything, mutation, None, "")])
        _judge_done(f"{mutation} as {who.name}", line, who, answer)
        done += "code" not in answer["data"]["it"]
        counted["mutations"] += 1
        for slot, kind in slots:
            cases = judging.cases_of(everything.ids[kind])
            del cases["own"]
            operations = [_doing(everything, mutation, slot, id) for id in cases.values()]
            answers = await judging.answers_of(http, who.asks, operations)
            _judge_ids(mutation, slot, kind, who, cases, dict(zip(cases, answers, strict=True)))
            counted["mutations"] += len(cases)
    assert bool(done) is not bool(line.undone), f"{mutation}: done {done} times"


async def _with_new_ones(everything: World, kinds: Set[str]) -> World:
    """In the place of what another test may have removed, taken, or invited a moment ago."""
    carrier, ids = everything.account, dict(everything.ids)
    await world.free_username(carrier, ids["Customer"].own, str(who_may.VALUES["username"]))
    for kind in kinds & set(world.NEW):
        customers = (ids["Customer"].own, ids["Customer"].other or "")
        own, other = [await world.NEW[kind](carrier, customer) for customer in customers]
        ids[kind] = replace(ids[kind], own=own, other=other)
    if kinds & {"QuarantinedRecord", "HeldRecord"}:
        made_too = await world.to_review(carrier)
        ids |= {kind: replace(ids[kind], own=id) for kind, id in made_too.items()}
    return replace(everything, ids=ids)


async def test_an_account_that_has_nothing_gets_nothing_done_to_anothers(
    everything: World, http: httpx2.AsyncClient, counted: Counter[str]
) -> None:
    """Whatever it lacks itself, such as a range of numbers, an id of another account answers as one
    that does not exist."""
    bare = await Carrier.create(everything.account.url, clock.now())
    for mutation in MUTATIONS:
        for slot, kind in asked.mutation_slots(mutation):
            ids = everything.ids[kind]
            cases = {"foreign": ids.own, "void": ids.none}
            if kind != "SummaryRow":  # which says itself whose it is
                cases["none"] = _of(ids.none, bare.account_id)
            operations = [_doing(everything, mutation, slot, id) for id in cases.values()]
            answers = await judging.answers_of(http, bare.owner, operations)
            told = {
                judging.without(one, id) for one, id in zip(answers, cases.values(), strict=True)
            }
            assert len(told) == 1, f"{mutation}({slot}): {told}"
            assert answers[0]["data"]["it"].get("code") == "NOT_FOUND", f"{mutation}: {told}"
            counted["mutations"] += len(cases)


def _of(id: str, account_id: int) -> str:
    """The id of the same kind and number in that account."""
    split = base.split_id(id)
    assert split is not None
    return base.encode_id(split[0], account_id, *split[2])


async def _signed_in_anew(everything: World, who: Who) -> Caller:
    if who.may is None or who.may.session_id is not None or "key" in who.name:
        return who.asks
    customer = everything.ids["Customer"].own
    if who.may.staff_id is not None:
        return await world.as_contact(everything.account, customer)
    if who.restricted:
        return await everything.account.contact(customer)
    return await everything.account.staff(str(who.may.role))


def _doing(everything: World, mutation: str, slot: str | None, id: str) -> Operation:
    input = asked.input_of(mutation, MUTATIONS[mutation], everything.ids, slot, id)
    wanted = "{ __typename ... on Refusal { code message field } }"
    if input is None:
        return f"mutation {{ it: {mutation} {wanted} }}", {}
    return asked.operation(mutation, input, wanted)


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
    told = {case: judging.without(answer, cases[case]) for case, answer in answers.items()}
    not_done = ["foreign", "void", "none", *(["other"] if who.restricted else [])]
    for case in not_done:
        if case in answers:
            assert "code" in answers[case]["data"]["it"], f"{place}, {case}: {answers[case]}"
    # A row says itself whose it is: of another customer it does not fit the input's.
    same = ("foreign", "void") if kind == "SummaryRow" else not_done
    for case in same:
        if case in told:
            assert told[case] == told[same[0]], f"{place}, {case}: {told}"
    judging.require_kept(place, who, answers)


# The audit log ----------------------------------------------------------------------------------


async def test_every_mutation_stands_in_the_audit_log_with_nothing_secret(
    everything: World, http: httpx2.AsyncClient
) -> None:
    everything = await _with_new_ones(everything, set(everything.ids))
    owner = everything.everybody[0]
    contact = next(who for who in everything.everybody if who.may and who.may.kind is Kind.CONTACT)
    for who in (owner, contact):
        for mutation, line in MUTATIONS.items():
            asks = await _signed_in_anew(everything, who) if line.ends_session else who.asks
            await judging.answers_of(http, asks, [_doing(everything, mutation, None, "")])
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
    held = [tokens.parse(who.asks.token or "") for who in everything.everybody]
    shown = [token.secret for token in held if token is not None]
    assert len(shown) == len(everything.everybody) - 1  # nobody has none
    for secret in [PASSWORD, "argon2", *shown, *(row["secret"] for row in secrets)]:
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
