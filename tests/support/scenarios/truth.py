"""The sums of the messages of `months`, calculated only by DuckDB. It shares nothing with
Callboard: which content of a record counts, which rate matches, how a call is rounded and how a
row is summed are implemented again in DuckDB's SQL, on whole numbers and DECIMALs."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from tests.support.scenarios.call_messages import Message, rows
from tests.support.scenarios.worlds import Revision, World

Row = dict[str, Any]

_MESSAGES = """
{into} SELECT * REPLACE (
    CAST(charge AS DECIMAL(38, 12)) AS charge, CAST(cost AS DECIMAL(38, 12)) AS cost
) FROM read_json(?, format = 'newline_delimited', columns = {{
    phase: 'INTEGER', revision: 'INTEGER', held: 'BOOLEAN', switch: 'VARCHAR', call_id: 'VARCHAR',
    leg: 'INTEGER', customer: 'VARCHAR', final: 'BOOLEAN', destination: 'VARCHAR',
    carrier: 'VARCHAR', setup_us: 'BIGINT', offered_us: 'BIGINT', ringing_us: 'BIGINT',
    answer_us: 'BIGINT', end_us: 'BIGINT', sip_code: 'INTEGER', dtmf: 'INTEGER',
    charge: 'VARCHAR', billed: 'BIGINT', cost: 'VARCHAR'}})
"""
_SETTINGS = """
CREATE TABLE customers (customer VARCHAR, currency VARCHAR, minor INTEGER, tax DECIMAL(38, 12));
CREATE TABLE cards (customer VARCHAR, from_us BIGINT, card VARCHAR);
CREATE TABLE rounding (card VARCHAR, mode VARCHAR, places INTEGER);
-- Money in millionths, so that everything up to the one rounding is done in whole numbers.
CREATE TABLE rates (card VARCHAR, revision BIGINT, from_us BIGINT, ended BOOLEAN, prefix VARCHAR,
                    per_minute HUGEINT, fee HUGEINT, minimum BIGINT, increment BIGINT,
                    round_up BOOLEAN);
"""
# The content of each record that counts once a phase is over.
_RECORDS = """
CREATE OR REPLACE TABLE records AS
WITH ranked AS (
    SELECT *, row_number() OVER (
        PARTITION BY switch, call_id, leg
        ORDER BY revision IS NULL DESC, revision DESC, phase) AS place
    FROM messages WHERE phase <= ? AND NOT held
)
SELECT * EXCLUDE (charge, billed), charge AS said_charge, billed AS said_billed,
       answer_us IS NOT NULL AS answered,
       coalesce(end_us - answer_us, 0) AS talk_us,
       make_timestamp(setup_us) AS setup,
       row_number() OVER () AS id
FROM ranked WHERE place = 1
"""
_RATED = """
CREATE OR REPLACE TABLE rated AS
WITH card_of AS (
    SELECT r.id, arg_max(c.card, c.from_us) AS card
    FROM records r JOIN cards c ON c.customer = r.customer AND c.from_us <= r.setup_us
    WHERE r.final AND r.said_charge IS NULL GROUP BY r.id
), in_force AS (  -- by prefix: the latest instant, of one instant the latest revision
    SELECT r.id, c.card, t.prefix, arg_max(t, t.from_us * 1000 + t.revision) AS rate
    FROM records r JOIN card_of c USING (id)
    JOIN rates t ON t.card = c.card AND starts_with(r.destination, t.prefix)
         AND t.from_us <= r.setup_us GROUP BY ALL
), rate_of AS (
    SELECT id, card, arg_max(rate, length(prefix)) AS rate
    FROM in_force WHERE NOT rate.ended GROUP BY ALL
), counted AS (
    SELECT o.id, o.card, o.rate, r.talk_us,
           CASE WHEN o.rate.round_up THEN (r.talk_us + 999999) // 1000000 * 1000000
                ELSE r.talk_us END - o.rate.minimum * 1000000 AS beyond_us
    FROM records r JOIN rate_of o USING (id)
), billed AS (
    SELECT id, card, rate,
           CASE WHEN talk_us = 0 THEN 0
                WHEN beyond_us <= 0 THEN rate.minimum
                ELSE rate.minimum + (beyond_us + rate.increment * 1000000 - 1)
                     // (rate.increment * 1000000) * rate.increment END AS billed,
           CASE WHEN talk_us = 0 THEN 0 ELSE rate.fee END AS fee
    FROM counted
), exact AS (  -- charge = above / below, in units of the card's last place
    SELECT id, billed, mode, places, fee * 60 + rate.per_minute * billed AS above,
           60 * CAST(power(10, 6 - places) AS HUGEINT) AS below
    FROM billed JOIN rounding USING (card)
), rounded AS (
    SELECT id, billed, places, above // below + CASE mode
        WHEN 'UP' THEN CAST(above % below > 0 AS INTEGER)
        WHEN 'DOWN' THEN 0
        WHEN 'HALF_UP' THEN CAST(2 * (above % below) >= below AS INTEGER)
        WHEN 'HALF_EVEN' THEN CAST(2 * (above % below) > below
             OR (2 * (above % below) = below AND (above // below) % 2 = 1) AS INTEGER)
        END AS units
    FROM exact
)
SELECT r.*, rate_of.card, rate_of.rate, coalesce(r.said_billed, o.billed, 0) AS billed,
       coalesce(r.said_charge,
                CAST(CAST(o.units * CAST(power(10, 6 - o.places) AS HUGEINT) AS DECIMAL(38, 0))
                     * CAST(0.000001 AS DECIMAL(7, 6)) AS DECIMAL(38, 12))) AS charge
FROM records r LEFT JOIN rounded o USING (id) LEFT JOIN rate_of USING (id)
"""


class Truth:
    """`at(phase)` is the state once that phase has been posted."""

    def __init__(self, world: World, messages: Sequence[Message], folder: Path) -> None:
        self.db = duckdb.connect()
        self.db.execute("SET TimeZone = 'UTC'")
        self.path = folder / "messages.ndjson"
        self._read(messages, "CREATE TABLE messages AS")
        self._settings(world)

    def add(self, messages: Sequence[Message]) -> None:
        self._read(messages, "INSERT INTO messages")

    def _read(self, messages: Sequence[Message], into: str) -> None:
        self.path.write_text("".join(json.dumps(row) + "\n" for row in rows(messages)))
        self.db.execute(_MESSAGES.format(into=into), [str(self.path)])

    def _settings(self, world: World) -> None:
        self.db.execute(_SETTINGS)
        for customer in world.customers:
            values = [
                customer.reference,
                customer.currency,
                customer.minor_unit,
                customer.tax_percent,
            ]
            self.db.execute("INSERT INTO customers VALUES (?, ?, ?, ?)", values)
            for since, card in customer.cards:
                values = [customer.reference, _us(since), card]
                self.db.execute("INSERT INTO cards VALUES (?, ?, ?)", values)
        for card_ in world.cards:
            self.db.execute(
                "INSERT INTO rounding VALUES (?, ?, ?)", [card_.name, card_.rounding, card_.places]
            )
            for number, revision in enumerate(card_.revisions, 2):  # 1 is empty
                self.revise(card_.name, number, revision)

    def revise(self, card: str, number: int, revision: Revision) -> None:
        """A further revision of the card; numbers of one card increase."""
        key = (card, number, _us(revision.effective_from))
        of_rates = [
            (
                *(*key, False, rate.prefix),
                *(int(rate.per_minute * 1_000_000), int(rate.connect_fee * 1_000_000)),
                *(rate.minimum, rate.increment, rate.round_up),
            )
            for rate in revision.rates
        ]
        ended = [(*key, True, prefix, 0, 0, 0, 1, True) for prefix in revision.ended]
        self.db.executemany(
            "INSERT INTO rates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [*of_rates, *ended]
        )

    def at(self, phase: int) -> None:
        self.db.execute(_RECORDS, [phase])
        self.db.execute(_RATED)

    def query(self, sql: str, *values: object) -> list[Row]:
        cursor = self.db.execute(sql, list(values))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _us(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
