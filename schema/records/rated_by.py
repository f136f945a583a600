"""The origin of a charge."""

from enum import StrEnum

import strawberry


@strawberry.enum(
    description="Origin of a call's charge: the switch reported it, a rate of the customer's card"
    " set it, or staff waived a call without a rate."
)
class RatedBy(StrEnum):
    SWITCH = "SWITCH"
    CARD = "CARD"
    WAIVED = "WAIVED"
