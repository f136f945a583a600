"""Stored calls, as the caller can see them."""

import re
from datetime import datetime

import strawberry

from domain.records import calls
from models import tables
from resolvers.access import Capability
from resolvers.billing import rates
from resolvers.directory import carriers as carrier_rows
from resolvers.directory import customers as customer_rows
from resolvers.records import call_list
from schema.billing import rate_cards
from schema.directory import carriers
from schema.engine import base, permissions
from schema.engine.documents import prices
from schema.records import leg_fields

_KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)
_MAX_LEG = 2**15 - 1


@strawberry.type(
    description="A leg of a call. The final leg stands for the call: it has the charge."
)
class Call(leg_fields.LegFields, base.Node):
    direction: str | None = permissions.open_field(
        description="Direction that the switch reported. Null if it reported none."
    )
    country: str | None = permissions.open_field(
        description="ISO 3166-1 code of the destination's country. Null if it is not known."
    )
    ringing_at: datetime | None = permissions.open_field(
        description="Time of the first 18x. Null if there was none."
    )
    talk_seconds: base.Long = permissions.open_field(
        description="Talk time in whole seconds, rounded half up. `talkTime` is exact."
    )
    pdd_ms: float | None = permissions.open_field(
        description="Milliseconds from the setup of the attempt to the first 18x. Null if there was"
        " none."
    )
    ring_ms: float | None = permissions.open_field(
        description="Milliseconds from the first 18x to the answer, or to the end if it was not"
        " answered. Null if there was no 18x."
    )
    sip_reason: str | None = permissions.open_field(
        description="Reason of the final SIP code. Null if none was reported."
    )
    q850_cause: int | None = permissions.open_field(
        description="Q.850 cause. Null if none was reported."
    )
    dtmf_digits: base.Long = permissions.open_field(
        description="Number of DTMF digits. The digits are not stored."
    )

    @classmethod
    def of(cls, account_id: int, record: calls.Record) -> "Call":
        key = call_list.key_of(record).hex()
        ringing_at = record.ringing_at
        rung_until = record.answer_at or record.end_at
        return cls(
            id=base.encode_id("Call", account_id, key, record.leg),
            direction=record.direction,
            country=record.country,
            ringing_at=ringing_at,
            talk_seconds=base.Long((record.talk_us + 500_000) // 1_000_000),
            pdd_ms=_milliseconds(record.setup_at, ringing_at),
            ring_ms=None if ringing_at is None else _milliseconds(ringing_at, rung_until),
            sip_reason=record.sip_reason,
            q850_cause=record.q850_cause,
            dtmf_digits=base.Long(record.dtmf_digits),
            **leg_fields.values(account_id, record),
        )

    @permissions.open_field(
        description="The carrier of this leg. Null if none was chosen.", metadata=prices.price(2)
    )
    async def carrier(self, info: base.Info) -> carriers.Carrier | None:
        row = await self._carrier(info)
        sees_carriers = info.context.signed_in().sees_carriers
        return None if row is None else carriers.Carrier.of(row, sees_carriers=sees_carriers)

    @permissions.open_field(
        description="What the customer pays. Null if no rate matches, or if the leg is not final.",
        metadata=prices.price(2),
    )
    async def charge(self, info: base.Info) -> base.Money | None:
        amount = self.record.charge
        return None if amount is None else base.Money.of(amount, await self._currency(info))

    @permissions.open_field(
        description="The rate that was applied. Null if no rate of a card was.",
        metadata=prices.price(4),
    )
    async def rate(self, info: base.Info) -> rate_cards.Rate | None:
        record = self.record
        if record.rate_card_id is None or record.prefix is None:
            return None
        # Records from before rates had revisions name none.
        key = rates.Key(record.rate_card_id, record.rate_revision or 1, record.prefix)
        rate = await info.context.loader(rates.applied).load((self.account_id, key))
        return None if rate is None else rate_cards.Rate.of(rate, await self._currency(info))

    @permissions.field(
        requires=Capability.MANAGE_CARRIERS,
        whole_account=True,
        hidden=True,
        description="The rate card of `rate`. Null if no rate of a card was applied.",
        metadata=prices.price(4),
    )
    async def rate_card(self, info: base.Info) -> rate_cards.RateCard | None:
        card_id = self.record.rate_card_id
        if card_id is None:
            return None
        card = await info.context.loader(rates.cards).load((self.account_id, card_id))
        if card is None:
            return None
        return rate_cards.rate_card_of(base.encode_id("RateCard", self.account_id, card_id), card)

    @permissions.field(
        requires=Capability.SEE_COST,
        hidden=True,
        description="What the carrier is paid. Null if it is not known.",
        metadata=prices.price(2),
    )
    async def cost(self, info: base.Info) -> base.Money | None:
        amount, row = self.record.cost, await self._carrier(info)
        return None if amount is None or row is None else base.Money.of(amount, row.currency)

    @permissions.field(
        requires=Capability.SEE_CALLS,
        whole_account=True,
        hidden=True,
        description="When the leg was offered to its carrier.",
    )
    def offered_at(self) -> datetime | None:
        return self.record.offered_at

    @permissions.field(
        requires=Capability.SEE_CALLS,
        whole_account=True,
        hidden=True,
        description="All legs of the call, in the order of their numbers.",
        metadata=prices.price(8),
    )
    async def legs(self, info: base.Info) -> list["Call"] | None:
        legs = await info.context.loader(call_list.legs).load((self.account_id, self.record))
        return [Call.of(self.account_id, leg) for leg in legs]

    async def _carrier(self, info: base.Info) -> tables.Carrier | None:
        return await info.context.loader(carrier_rows.rows).load(
            (self.account_id, self.record.carrier_id)
        )

    async def _currency(self, info: base.Info) -> str:
        """The customer's. Records from before rates had revisions do not contain it."""
        if self.record.currency is not None:
            return self.record.currency
        key = (self.account_id, self.record.customer_id)
        return str((await info.context.loader(customer_rows.rows).load(key)).currency)


def _milliseconds(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else (end - start) // calls.MICROSECOND / 1000


async def node(info: base.Info, parts: tuple[str, ...]) -> Call | None:
    caller = info.context.signed_in()
    if len(parts) != 2 or not _KEY.fullmatch(parts[0]):
        return None
    leg = base.as_number(parts[1])
    if leg is None or leg > _MAX_LEG:
        return None
    record = await call_list.get(caller, bytes.fromhex(parts[0]), leg)
    return None if record is None else Call.of(caller.account_id, record)
