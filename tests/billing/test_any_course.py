"""After any sequence of operations every call is billed exactly once, at its latest charge."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest

from domain.billing import reconciliation_proof
from domain.refusals import Refusal
from models.billing import invoicing, ledger, reconciliation
from tests.support.billing.books import NOW, Books, at, open_customer

HAPPENINGS = (
    "call",
    "reuse",
    "correct",
    "rebuild",
    "invoice",
    "adjust",
    "draft",
    "issue",
    "discard",
    "void",
)


@contextmanager
def unless_refused() -> Iterator[None]:
    """It is correct that billed hours and days without calls yield no invoice, and that the
    adjustments of a live invoice are not freed."""
    try:
        yield
    except asyncpg.RaiseError as error:
        if "a live invoice adjusts" not in str(error):
            raise
    except Refusal as refusal:
        if refusal.code not in ("HOURS_ALREADY_INVOICED", "NOTHING_TO_INVOICE"):
            raise


async def step(
    books: Books, chance: random.Random, costs: dict[str, Decimal], drafts: list[int]
) -> None:
    """One operation on the books of a customer. `costs`: by call, its last charge."""
    charge = f"{chance.randrange(10**9)}e-6"
    match chance.choices(HAPPENINGS, (8, *[2] * 9)):
        case ["call"]:
            setup_at = at(chance.randint(2, 9), chance.randrange(24), chance.randrange(60))
            talk = chance.choice((0, 7, 60))
            costs[await books.call(setup_at, charge, talk_seconds=talk)] = Decimal(charge)
        case ["reuse"] if costs:
            setup_at = at(chance.randint(2, 9)) + timedelta(microseconds=chance.randrange(10**10))
            costs[await books.reuse(chance.choice([*costs]), setup_at, charge)] = Decimal(charge)
        case ["correct"] if costs:
            corrected = chance.choice([*costs])
            await books.correct(corrected, charge)
            costs[corrected] = Decimal(charge)
        case ["rebuild"]:
            await books.rebuild()
        case ["invoice"]:
            await books.generate(*chance.sample(range(2, 9), chance.randint(1, 3)))
        case ["adjust"]:
            await books.generate()
        case ["void"]:
            issued = "SELECT id FROM invoices WHERE status = 'ISSUED' ORDER BY id OFFSET $1 LIMIT 1"
            if (which := await books.value(issued, chance.randrange(4))) is not None:
                await books.void(int(str(which)))
        case ["draft"]:
            drafts.append((await books.generate(chance.randint(2, 8), issue=False)).id)
        case ["issue"] if drafts:
            which = drafts.pop()
            await invoicing.issue_draft(books.account_id, which, key=f"i{which}", now=NOW)
        case ["discard"] if drafts:
            await invoicing.discard_draft(books.account_id, drafts.pop(), now=NOW)


async def prove(books: Books) -> reconciliation_proof.Proof:
    of = (books.account_id, books.customer_id)
    return await reconciliation.reconcile(*of, at(1, 0), at(20, 0), NOW)


@pytest.mark.parametrize("seed", range(6))
async def test_after_any_sequence_of_operations_every_call_is_billed_once(
    books: Books, seed: int
) -> None:
    chance = random.Random(seed)
    books.account_id, books.customer_id = await _with_grouping(books, chance)
    costs: dict[str, Decimal] = {}
    drafts: list[int] = []
    for _ in range(50):
        with unless_refused():
            await step(books, chance, costs, drafts)
        if chance.random() < 0.2:
            assert (await prove(books)).differences == []
    for draft in drafts:
        await invoicing.discard_draft(books.account_id, draft, now=NOW)
    costs[await books.call(at(10), "1")] = Decimal(1)
    for day in range(2, 11):
        with unless_refused():
            await books.generate(day)
    proof = await prove(books)
    assert proof.differences == []
    assert proof.pending == []
    assert proof.invoiced == sum(costs.values())
    assert proof.invoiced == proof.rows.charge == proof.ledger == proof.records.charge
    billed = "SELECT sum(subtotal) FROM invoices WHERE account_id = $1 AND status = 'ISSUED'"
    assert proof.invoiced == await books.value(billed, books.account_id)
    owed = await books.value(
        # The postings of voided invoices themselves are not reversed here.
        "SELECT sum(CASE status WHEN 'VOID' THEN total - subtotal ELSE total END) FROM invoices"
        " WHERE account_id = $1",
        books.account_id,
    )
    assert await ledger.balance(books.account_id, books.customer_id) == -Decimal(str(owed))
    kinds = "SELECT bool_and((kind = 'CREDIT_NOTE') = (total < 0)) FROM invoices"
    assert await books.value(kinds)


async def _with_grouping(books: Books, chance: random.Random) -> tuple[int, int]:
    grouping = chance.choice(("DAY", "DESTINATION"))
    await books.sql("UPDATE accounts SET invoice_grouping = $1", grouping)
    currency, tax = chance.choice(("EUR", "JPY", "KWD")), f"{chance.randrange(2500)}e-2"
    return books.account_id, await open_customer(books, "any", currency, tax)
