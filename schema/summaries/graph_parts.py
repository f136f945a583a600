"""The parts of a graph: by carrier, customer, country and SIP code."""

import strawberry

from schema.directory import carriers
from schema.engine import base, permissions
from schema.summaries.graph_points import StatsPoint


@permissions.open_type
@strawberry.type(description="The graph of one carrier.")
class CarrierStats:
    carrier: carriers.Carrier | None = strawberry.field(
        description="The carrier. Null for attempts for which no carrier was chosen."
    )
    points: list[StatsPoint] = strawberry.field(
        description=(
            "As many points as `total` has, at the same times. Each counts the attempts whose"
            " final leg was this carrier's, so the carriers add up to the total. `legs` counts"
            " every leg."
        )
    )


@permissions.open_type
@strawberry.type(description="The graph of one customer.")
class CustomerStats:
    customer_id: strawberry.ID = strawberry.field(description="Id of the customer.")
    reference: str = strawberry.field(description="The name that switches use for the customer.")
    name: str = strawberry.field(description="Name of the customer.")
    points: list[StatsPoint] = strawberry.field(
        description="As many points as `total` has, at the same times. Without active calls."
    )


@permissions.open_type
@strawberry.type(description="The graph of one destination country.")
class CountryStats:
    country: str | None = strawberry.field(
        description="ISO 3166 alpha-2 code of the called number. Null if it is not known, as of"
        " calls that were stored by an earlier version."
    )
    points: list[StatsPoint] = strawberry.field(
        description="As many points as `total` has, at the same times. Without active calls,"
        " median and percentile of PDD."
    )


@permissions.open_type
@strawberry.type(description="Attempts whose final leg ended with a SIP code.")
class CodeCount:
    code: base.Long | None = strawberry.field(
        description="Final SIP code. Null if none was reported."
    )
    attempts: base.Long = strawberry.field(description="Number of attempts, at least 1.")
