"""Reconciliation, balances and stored rates, compared with the independent calculation."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from models import db
from tests.support.scenarios import worlds
from tests.support.scenarios.board import Answer, Board
from tests.support.scenarios.truth import Truth

_KEPT_RATES = """
SELECT r.switch, r.call_id, r.leg, r.rate_revision AS revision, r.prefix,
       r.rate_per_minute AS per_minute, r.charge
FROM call_records r WHERE r.rated_by = 'CARD' AND r.talk_us > 0 AND r.setup_at >= $1
"""
_RATES = """
SELECT switch, call_id, leg, rate.revision AS revision, rate.prefix AS prefix,
       CAST(CAST(rate.per_minute AS DECIMAL(38, 0)) * 0.000001 AS DECIMAL(38, 6)) AS per_minute,
       charge
FROM rated WHERE final AND said_charge IS NULL AND answered AND talk_us > 0 AND rate IS NOT NULL
      AND setup >= ?
"""
# Corrections after the first invoices, by whether they change a field on which the charge depends.
_CORRECTED = """
SELECT (r.customer, r.destination, r.setup_us, r.talk_us) IS NOT DISTINCT FROM
       (m.customer, m.destination, m.setup_us, coalesce(m.end_us - m.answer_us, 0)) AS same,
       count(*) AS calls
FROM rated r JOIN (SELECT DISTINCT ON (switch, call_id, leg) * FROM messages WHERE revision = 0)
     AS m USING (switch, call_id, leg)
WHERE r.phase = ? AND r.revision > 0 AND r.final AND r.talk_us > 0 AND r.said_charge IS NULL
  AND EXISTS (SELECT 1 FROM rates t WHERE t.card = r.card AND t.prefix = r.rate.prefix
              AND t.revision > r.rate.revision)
GROUP BY ALL
"""


def closed_hours_end(world: worlds.World) -> datetime:
    """Of the hours that had ended when the world began: the ledger has their charges. An hour that
    ends during the test is posted somewhat later."""
    return world.now.replace(minute=0, second=0, microsecond=0)


async def check_balanced(board: Board, truth: Truth, world: worlds.World, *, frozen: bool) -> None:
    """Records, rows and ledger; where hours are frozen, records are not there."""
    end = closed_hours_end(world)
    for customer in world.customers:
        [expected] = truth.query(_SUMS, customer.reference, end.replace(tzinfo=None))
        proof = await board.proof(customer.reference, world.start, end)
        assert proof["balanced"], proof["differences"][:3]
        assert not proof["differences"]
        assert "MARKED" not in {pending["reason"] for pending in proof["pending"]}
        check_sums(proof["rows"], expected)
        assert Decimal(proof["ledger"]["charge"]["amount"]) == expected["charge"]
        if not frozen:
            assert proof["frozenHours"] == 0
            check_sums(proof["records"], expected)


_SUMS = """
SELECT count(*) AS calls, coalesce(sum(charge), 0) AS charge FROM rated
WHERE customer = ? AND final AND setup < ?
"""


def check_sums(answer: Answer, expected: dict[str, Any]) -> None:
    assert answer["calls"] == expected["calls"]
    assert Decimal(answer["charge"]["amount"]) == expected["charge"]


async def check_frozen(board: Board, truth: Truth, world: worlds.World, middle: datetime) -> None:
    """Every hour of the first month that has a row is frozen, and its records are removed."""
    for customer in world.customers:
        name, start = customer.reference, middle.replace(tzinfo=None)
        first = await board.proof(name, world.start, middle)
        assert first["balanced"], first["differences"][:3]
        assert first["records"]["calls"] == 0
        # An hour whose calls have moved has a row of zeros.
        [least] = truth.query(_HOURS.format(of="rated"), start, name)
        [most] = truth.query(_HOURS.format(of="messages"), start, name)
        assert least["hours"] <= first["frozenHours"] <= most["hours"]
        later = await board.proof(name, middle, closed_hours_end(world))
        assert later["frozenHours"] == 0
        end = closed_hours_end(world).replace(tzinfo=None)
        [expected] = truth.query(f"{_SUMS} AND setup >= ?", name, end, start)
        check_sums(later["records"], expected)


_HOURS = """
SELECT count(DISTINCT date_trunc('hour', make_timestamp(setup_us))) AS hours
FROM {of} WHERE make_timestamp(setup_us) < ? AND customer = ?
"""


async def check_balances(board: Board, truth: Truth, world: worlds.World) -> None:
    """The unpaid sum: all charges, and tax and rounding of the documents."""
    owed = {
        row["customer"]: row["charge"]
        for row in truth.query(
            "SELECT customer, coalesce(sum(charge), 0) AS charge FROM rated WHERE final GROUP BY 1"
        )
    }
    for document in await board.feed():
        for name in ("tax", "rounding"):
            owed[document["customer"]["reference"]] += Decimal(document[name]["amount"])
    for customer in world.customers:
        assert await board.balance(customer.reference) == -owed[customer.reference]


async def check_kept_rates(truth: Truth, since: datetime) -> None:
    """Each record's revision, prefix, price of a minute and charge, of setups from `since` on."""
    async with db.connection() as conn:
        rows = await conn.fetch(_KEPT_RATES, since)
    start = since.replace(tzinfo=None)
    rates = {tuple(row)[:3]: tuple(row)[3:] for row in rows}
    expected = {
        tuple(row.values())[:3]: tuple(row.values())[3:] for row in truth.query(_RATES, start)
    }
    assert rates.keys() == expected.keys()
    unlike = [(key, rates[key], expected[key]) for key in expected if rates[key] != expected[key]]
    assert not unlike, unlike[:3]
    assert len({revision for revision, *_ in rates.values()}) > 3


def check_corrected_after_price_changes(truth: Truth, phase: int) -> None:
    """The corrections after the first invoices are of both kinds, at prices that no longer
    apply."""
    calls = {row["same"]: row["calls"] for row in truth.query(_CORRECTED, phase)}
    assert min(calls.get(True, 0), calls.get(False, 0)) >= 5, f"another seed: {calls}"
