"""Rows of the summary by carrier, by country and by matched prefix, and the costs of rows."""

from typing import Any

import strawberry

from domain.summaries import breakdowns, cells, ratios
from domain.summaries.breakdowns import Dimension
from resolvers.access import Capability
from resolvers.directory import carriers as carrier_rows
from resolvers.summaries import row_parts
from schema.directory.carriers import Carrier
from schema.engine import base, permissions
from schema.engine.documents import prices
from schema.engine.fragments import declarations
from schema.records.rated_by import RatedBy
from schema.summaries import row_sums

_CHARGES = "Charges of these calls, one sum per currency."
_COUNT = "Number of these parts."
_REST = "The other parts together, so that all add up to the row. Null if there are none."
_HAS_MORE = "Whether the row has more parts than these: see `rest`."
_COST = "What carriers are paid for these calls, and the profit."
_DETAILS = (ratios.NER, ratios.PDD_MS, ratios.DTMF_PERCENT)


@permissions.open_type
@strawberry.type
class _Part(row_sums.CallSums):
    part: strawberry.Private[breakdowns.Part]
    charges: list[base.Money] = strawberry.field(description=_CHARGES)


@strawberry.type
class _CostedPart(_Part):
    @permissions.field(requires=Capability.SEE_COST, hidden=True, description=_COST)
    def cost(self) -> row_sums.SummaryCost | None:
        costs = self.part.costs
        assert costs is not None
        return row_sums.SummaryCost.of(self.part.charges, costs, None)


@declarations.stored_type
@strawberry.type(description="The calls of a row whose final leg was a carrier's.")
class CarrierPart(_CostedPart):
    account_id: strawberry.Private[int]

    @permissions.open_field(
        description="The carrier. Null for attempts for which no carrier was chosen.",
        metadata=prices.price(1),
    )
    async def carrier(self, info: base.Info) -> Carrier | None:
        key = (self.account_id, int(self.part.key))
        row = await info.context.loader(carrier_rows.rows).load(key)
        sees_carriers = info.context.signed_in().sees_carriers
        return None if row is None else Carrier.of(row, sees_carriers=sees_carriers)


@declarations.stored_type
@strawberry.type(description="The calls of a row to a country.")
class CountryPart(_CostedPart):
    country: str | None = permissions.open_field(
        description="ISO 3166 code of the called number's country, such as GB. Null if it is not"
        " known."
    )


@permissions.open_type
@strawberry.type(
    description="The calls of a row whose rate has a prefix. NER, PDD and DTMF % are null for hours"
    " that were frozen before these sums existed. Costs are not stored by prefix."
)
class PrefixPart(_Part):
    prefix: str | None = strawberry.field(
        description="The prefix of the rate that matched. Null if the charge is not from a rate of"
        " a card."
    )
    rated_by: RatedBy | None = strawberry.field(
        description="Origin of the charges. Null for calls without a rate. CARD without a prefix:"
        " unanswered calls without a rate, which cost 0."
    )


@declarations.stored_type
@strawberry.type(description="Parts of a row together.")
class OtherParts(_CostedPart):
    count: base.Long = permissions.open_field(description=_COUNT)


@permissions.open_type
@strawberry.type(description="Prefixes of a row together.")
class OtherPrefixes(_Part):
    count: base.Long = strawberry.field(description=_COUNT)


@permissions.open_type
@strawberry.type(description="A row by carrier, most attempts first. The parts add up to the row.")
class CarrierBreakdown:
    parts: list[CarrierPart] = strawberry.field(description="The carriers.")
    rest: OtherParts | None = strawberry.field(description=_REST)
    has_more: bool = strawberry.field(description=_HAS_MORE)


@permissions.open_type
@strawberry.type(
    description="A row by country of the called number, most attempts first. The parts add up to"
    " the row."
)
class CountryBreakdown:
    parts: list[CountryPart] = strawberry.field(description="The countries.")
    rest: OtherParts | None = strawberry.field(description=_REST)
    has_more: bool = strawberry.field(description=_HAS_MORE)


@permissions.open_type
@strawberry.type(
    description="A row by matched prefix, most attempts first. The parts add up to the row."
)
class PrefixBreakdown:
    parts: list[PrefixPart] = strawberry.field(description="The prefixes.")
    rest: OtherPrefixes | None = strawberry.field(description=_REST)
    has_more: bool = strawberry.field(description=_HAS_MORE)


_PRICE = prices.price(30, each=5)  # the share of a row in the statement of its page


@strawberry.type
class HasParts:
    """`row` with its `currency`, None for the account, whose rows can have several."""

    row: strawberry.Private[cells.Row]
    currency: strawberry.Private[str | None]

    @permissions.field(
        requires=Capability.SEE_COST, hidden=True, description=_COST, metadata=prices.price(10)
    )
    async def cost(self, info: base.Info) -> row_sums.SummaryCost | None:
        costs = await info.context.loader(row_parts.costs).load(self.row.key)
        return row_sums.SummaryCost.of(self.row.charges, costs, self.currency)

    @permissions.open_field(
        description="The row by carrier: calls count for the carrier of their final leg. Refused:"
        " BAD_PAGE_SIZE.",
        metadata=_PRICE,
    )
    async def by_carrier(self, info: base.Info, first: base.First = 20) -> CarrierBreakdown | None:
        found = await self._parts(info, Dimension.CARRIER, first)
        account_id = self.row.key.account_id
        return CarrierBreakdown(
            parts=[CarrierPart(account_id=account_id, **_values(part)) for part in found.parts],
            rest=_other_parts(found),
            has_more=found.rest is not None,
        )

    @permissions.open_field(description="The row by country of the called number.", metadata=_PRICE)
    async def by_country(self, info: base.Info, first: base.First = 20) -> CountryBreakdown | None:
        found = await self._parts(info, Dimension.COUNTRY, first)
        return CountryBreakdown(
            parts=[CountryPart(country=part.key or None, **_values(part)) for part in found.parts],
            rest=_other_parts(found),
            has_more=found.rest is not None,
        )

    @permissions.open_field(
        description="The row by the prefix of the rate that matched.", metadata=_PRICE
    )
    async def by_prefix(self, info: base.Info, first: base.First = 20) -> PrefixBreakdown | None:
        found = await self._parts(info, Dimension.PREFIX, first)
        rest = found.rest
        return PrefixBreakdown(
            parts=[_prefix_part(part) for part in found.parts],
            rest=None if rest is None else OtherPrefixes(count=found.remaining, **_values(rest)),
            has_more=rest is not None,
        )

    async def _parts(
        self, info: base.Info, dimension: Dimension, first: int
    ) -> breakdowns.Breakdown:
        caller, size = info.context.signed_in(), base.page_size(first)
        request = row_parts.request(caller, self.row.key, dimension, size)
        return await info.context.loader(row_parts.parts).load(request)


def _values(part: breakdowns.Part) -> dict[str, Any]:
    values = row_sums.values(part)
    if not part.has_details:
        values |= {statistic.name: None for statistic in _DETAILS}
    return {"part": part, "charges": row_sums.amounts(part.charges), **values}


def _other_parts(found: breakdowns.Breakdown) -> OtherParts | None:
    if found.rest is None:
        return None
    return OtherParts(count=found.remaining, **_values(found.rest))


def _prefix_part(part: breakdowns.Part) -> PrefixPart:
    destination = breakdowns.Destination.of(part.key)
    rated_by = None if destination.rated_by is None else RatedBy(destination.rated_by)
    return PrefixPart(prefix=destination.prefix, rated_by=rated_by, **_values(part))
