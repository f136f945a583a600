"""An account whose range, blocks and SIP users a test changes in one line each."""

from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from domain.identity import callers
from domain.numbering import number_ranges
from domain.refusals import Refusal
from models import db
from models.directory import customers
from models.identity import accounts
from models.numbering import number_blocks, sip_users
from resolvers.numbering import block_assignment
from resolvers.numbering import sip_users as resolve_users

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
REALM = "sip.voice.example"
_numbers = count(1)


@dataclass(slots=True)
class NumberPlan:
    """The operations of staff and contacts, without HTTP. Refusals are raised."""

    account_id: int
    customers: list[int] = field(default_factory=list)

    @property
    def staff(self) -> callers.Caller:
        return callers.Caller(self.account_id, callers.Kind.STAFF, 1, role=callers.Role.OWNER)

    def contact(self, customer_id: int) -> callers.Caller:
        return callers.Caller(self.account_id, callers.Kind.CONTACT, 1, customer_id=customer_id)

    async def customer(self) -> int:
        row = await customers.insert(
            self.account_id,
            customers.NewCustomer(
                reference=f"customer-{next(_numbers)}",
                name="Acme",
                currency="EUR",
                channel_limit=None,
                debit_limit=Decimal(0),
                tax_percent=Decimal(0),
            ),
            NOW,
        )
        self.customers.append(row.id)
        return row.id

    async def range(self, start: int = 1000, end: int = 99999, size: int = 1000) -> Any:
        return await block_assignment.set_range(self.staff, start, end, size, NOW)

    async def assign(
        self, customer_id: int, first: int | None = None, key: str | None = None
    ) -> number_blocks.Block:
        return await block_assignment.assign(self.staff, customer_id, first, key, NOW)

    async def free(self, block_id: int) -> number_blocks.Block:
        return await block_assignment.free(self.staff, block_id, NOW)

    async def create(
        self, customer_id: int, number: int, secret: str | None = None
    ) -> sip_users.SipUser:
        user = await resolve_users.create(
            self.contact(customer_id),
            customer_id,
            str(number),
            realm=REALM,
            display_name=None,
            secret=secret,
            now=NOW,
        )
        return user.user

    async def remove(self, user_id: int) -> None:
        await resolve_users.remove(self.staff, user_id, NOW)

    async def available(
        self, customer_id: int, most: int = 5, after: int | None = None, prefix: str | None = None
    ) -> list[int]:
        who = self.contact(customer_id)
        return await resolve_users.available(who, customer_id, after, prefix, most)

    async def spans(self) -> list[tuple[int, int]]:
        """Of all blocks, in order."""
        rows = await rows_of(
            "SELECT first_number, last_number FROM number_blocks WHERE account_id = $1 ORDER BY 1",
            self.account_id,
        )
        return [(row[0], row[1]) for row in rows]

    async def check_gaps(self) -> None:
        """Checks that the gaps are exactly the free numbers, in the fewest intervals."""
        used_numbers = {
            "BLOCK": await self.spans(),
            "USER": [
                (row[0], row[0])
                for row in await rows_of(
                    "SELECT number FROM sip_users WHERE account_id = $1 ORDER BY 1", self.account_id
                )
            ],
        }
        for kind, spans in used_numbers.items():
            rows = await rows_of(
                "SELECT first_number, last_number FROM number_gaps"
                " WHERE account_id = $1 AND kind = $2 ORDER BY 1",
                self.account_id,
                kind,
            )
            assert [tuple(row) for row in rows] == between(spans)


def between(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The numbers between spans in order."""
    blocks, start = [], 0
    for first, last in spans:
        if start < first:
            blocks.append((start, first - 1))
        start = last + 1
    return [*blocks, (start, number_ranges.MAX_NUMBER)]


async def rows_of(sql: str, *values: object) -> list[Any]:
    async with db.connection() as conn:
        return list(await conn.fetch(sql, *values))


async def open_plan(customers: int = 2) -> NumberPlan:
    account = await accounts.insert("Example Voice", NOW)
    plan = NumberPlan(account.id)
    for _ in range(customers):
        await plan.customer()
    return plan


async def code(doing: Coroutine[Any, Any, Any]) -> str:
    """The code that something is refused with; "" where it is done."""
    try:
        await doing
    except Refusal as refusal:
        return refusal.code
    return ""
