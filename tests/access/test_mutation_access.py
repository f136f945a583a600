"""Every kind of caller runs every mutation, with its own, foreign and unknown ids."""

from collections import Counter
from collections.abc import Set
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from domain.identity import tokens
from domain.identity.callers import Kind
from models import db
from models.checklists import checklist_state
from resolvers.access import Identity
from runtime import clock
from schema.engine import base
from tests.support.api import (
    permission_checks,
    rights,
    sample_values,
    sdl_documents,
    world,
)
from tests.support.api.callers import PASSWORD, Caller, Carrier, sign_in
from tests.support.api.mutation_cases import CASES
from tests.support.api.permission_checks import Operation
from tests.support.api.world import Who, World

MUTATIONS = list(rights.type_of("Mutation").fields)


def test_every_mutation_has_a_case() -> None:
    assert set(CASES) == set(MUTATIONS), "see tests/support/api/mutation_cases.py"


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_a_mutation_serves_permitted_callers_only_and_treats_a_foreign_id_as_unknown(
    everything: World, http: httpx2.AsyncClient, case_counts: Counter[str], mutation: str
) -> None:
    case, slots, successes = CASES[mutation], sdl_documents.mutation_slots(mutation), 0
    is_public = rights.required("Mutation", mutation).requires is Identity.NONE
    everything = await _with_new_ones(everything, {kind for _, kind in slots})
    # A password check takes long for every caller.
    for who in everything.everybody[-1:] if is_public else everything.everybody:
        asks = await _sign_in_again(everything, who) if case.ends_session else who.asks
        [answer] = await permission_checks.answers_of(
            http, asks, [_doing(everything, mutation, None, "")]
        )
        _judge_done(mutation, who, answer)
        successes += "code" not in answer["data"]["it"]
        case_counts["mutations"] += 1
        for slot, kind in slots:
            cases = permission_checks.cases_of(everything.ids[kind])
            del cases["own"]
            operations = [_doing(everything, mutation, slot, id) for id in cases.values()]
            answers = await permission_checks.answers_of(http, who.asks, operations)
            _judge_ids(mutation, slot, kind, who, cases, dict(zip(cases, answers, strict=True)))
            case_counts["mutations"] += len(cases)
    assert bool(successes) is not bool(case.undone), f"{mutation}: done {successes} times"


async def _with_new_ones(everything: World, kinds: Set[str]) -> World:
    """Replaces objects that another test may have removed, used, or just invited."""
    carrier, ids = everything.account, dict(everything.ids)
    await world.free_username(carrier, ids["Customer"].own, str(sample_values.VALUES["username"]))
    for kind in kinds & set(world.NEW):
        customers = (ids["Customer"].own, ids["Customer"].other or "")
        own, other = [await world.NEW[kind](carrier, customer) for customer in customers]
        ids[kind] = replace(ids[kind], own=own, other=other)
    if kinds & {"QuarantinedRecord", "HeldRecord"}:
        made_too = await world.to_review(carrier)
        ids |= {kind: replace(ids[kind], own=id) for kind, id in made_too.items()}
    return replace(everything, ids=ids)


async def test_an_empty_account_cannot_act_on_objects_of_another_account(
    everything: World, http: httpx2.AsyncClient, case_counts: Counter[str]
) -> None:
    """Even if it has no number range, for example, the id of an object of another account
    answers as an unknown id."""
    bare = await Carrier.create(everything.account.url, clock.now())
    for mutation in MUTATIONS:
        for slot, kind in sdl_documents.mutation_slots(mutation):
            ids = everything.ids[kind]
            cases = {"foreign": ids.own, "void": ids.none}
            if kind != "SummaryRow":  # which identifies its own account
                cases["none"] = _of(ids.none, bare.account_id)
            operations = [_doing(everything, mutation, slot, id) for id in cases.values()]
            answers = await permission_checks.answers_of(http, bare.owner, operations)
            answers_by_slot = {
                permission_checks.without(answer, id)
                for answer, id in zip(answers, cases.values(), strict=True)
            }
            assert len(answers_by_slot) == 1, f"{mutation}({slot}): {answers_by_slot}"
            assert answers[0]["data"]["it"].get("code") == "NOT_FOUND", (
                f"{mutation}: {answers_by_slot}"
            )
            case_counts["mutations"] += len(cases)


def _of(id: str, account_id: int) -> str:
    """The id of the same kind and number in that account."""
    split = base.split_id(id)
    assert split is not None
    return base.encode_id(split[0], account_id, *split[2])


async def _sign_in_again(everything: World, who: Who) -> Caller:
    if who.may is None or who.may.session_id is not None or "key" in who.name:
        return who.asks
    customer = everything.ids["Customer"].own
    if who.may.staff_id is not None:
        return await world.as_contact(everything.account, customer)
    if who.restricted:
        return await everything.account.contact(customer)
    return await everything.account.staff(str(who.may.role))


def _doing(everything: World, mutation: str, slot: str | None, id: str) -> Operation:
    input = sdl_documents.input_of(mutation, CASES[mutation], everything.ids, slot, id)
    selection = "{ __typename ... on Refusal { code message field } }"
    if input is None:
        return f"mutation {{ it: {mutation} {selection} }}", {}
    return sdl_documents.operation(mutation, input, selection)


def _judge_done(mutation: str, who: Who, answer: dict[str, Any]) -> None:
    place = f"{mutation} as {who.name}"
    assert "errors" not in answer, f"{place}: {answer}"
    result = answer["data"]["it"]
    code = result.get("code")
    if rights.allows("Mutation", mutation, who.may, names_customer=True):
        assert code is None or code in CASES[mutation].later_codes, f"{place}: {result}"
    elif who.may is None:
        assert code == "UNAUTHENTICATED", f"{place}: {result}"
    else:
        assert result["__typename"] == "NotPermitted" or code == "NO_SESSION", f"{place}: {result}"


def _judge_ids(
    mutation: str,
    slot: str,
    kind: str,
    who: Who,
    cases: dict[str, str],
    answers: dict[str, dict[str, Any]],
) -> None:
    place = f"{mutation}({slot}) as {who.name}"
    stream = {
        case: permission_checks.without(answer, cases[case]) for case, answer in answers.items()
    }
    not_done = ["foreign", "void", "none", *(["other"] if who.restricted else [])]
    for case in not_done:
        if case in answers:
            assert "code" in answers[case]["data"]["it"], f"{place}, {case}: {answers[case]}"
    # A row identifies its own customer, which would differ from the customer of the input.
    same = ("foreign", "void") if kind == "SummaryRow" else not_done
    for case in same:
        if case in stream:
            assert stream[case] == stream[same[0]], f"{place}, {case}: {stream}"
    permission_checks.require_kept(place, who, answers)


# The audit log ----------------------------------------------------------------------------------


async def test_the_audit_log_records_every_mutation_without_secrets(
    everything: World, http: httpx2.AsyncClient
) -> None:
    everything = await _with_new_ones(everything, set(everything.ids))
    owner = everything.everybody[0]
    contact = next(who for who in everything.everybody if who.may and who.may.kind is Kind.CONTACT)
    for who in (owner, contact):
        for mutation, case in CASES.items():
            asks = await _sign_in_again(everything, who) if case.ends_session else who.asks
            await permission_checks.answers_of(http, asks, [_doing(everything, mutation, None, "")])
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
        mutation: case.audited
        for mutation, case in CASES.items()
        if not case.audited.startswith("not: ") and case.audited not in actions
    }
    assert unaudited == {}
    log = "\n".join(row["text"] for row in rows)
    parsed = [tokens.parse(who.asks.token or "") for who in everything.everybody]
    token_secrets = [token.secret for token in parsed if token is not None]
    # The unauthenticated caller has none.
    assert len(token_secrets) == len(everything.everybody) - 1
    for secret in [PASSWORD, "argon2", *token_secrets, *(row["secret"] for row in secrets)]:
        assert secret not in log


# What follows ------------------------------------------------------------------------------------


async def test_after_every_mutation_the_checklists_are_as_the_worker_would_settle_them(
    everything: World, http: httpx2.AsyncClient
) -> None:
    """No mutation forgets to settle them: a new one finds the worker with nothing to do."""
    everything = await _with_new_ones(everything, set(everything.ids))
    owner = everything.everybody[0]
    contact = next(who for who in everything.everybody if who.may and who.may.kind is Kind.CONTACT)
    account_id, moved = everything.account.account_id, set()
    for who in (owner, contact):
        for mutation, case in CASES.items():
            asks = await _sign_in_again(everything, who) if case.ends_session else who.asks
            await _settle(account_id)
            facts = await _published_facts(account_id)
            await permission_checks.answers_of(http, asks, [_doing(everything, mutation, None, "")])
            changed_checklists = await checklist_state.changed_checklists(account_id, clock.now())
            assert changed_checklists == [], (
                f"{mutation} as {who.name} leaves the checklists of {changed_checklists}"
            )
            if await _published_facts(account_id) != facts:
                moved.add(mutation)
    assert len(moved) >= 5, f"only {moved} changed a checklist"


async def _settle(account_id: int) -> None:
    """Objects that the test itself has created, such as records for review."""
    now = clock.now()
    await checklist_state.settle(
        account_id, await checklist_state.changed_checklists(account_id, now), now
    )


async def _published_facts(account_id: int) -> list[tuple[int, str]]:
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT customer_id, open::text FROM checklists WHERE account_id = $1"
            " ORDER BY customer_id",
            account_id,
        )
    return [tuple(row) for row in rows]


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
        invoice = await owner.do(then, "Invoice", "id", invoiceId=draft["id"], **more)
        assert invoice["__typename"] == "Invoice", invoice


async def test_no_audit_log_entry_can_be_changed_or_removed(everything: World) -> None:
    for statement in (
        "UPDATE audit_log SET actor = 'staff:1'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
    ):
        async with db.connection() as conn:
            with pytest.raises(Exception, match="only added to"):
                await conn.execute(statement)
