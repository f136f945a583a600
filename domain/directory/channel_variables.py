"""The channel variables of FreeSWITCH that name the customer, the carrier and the offers."""

import re
from dataclasses import dataclass

from domain import refusals

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,100}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ChannelVariables:
    """Names of variables.

    - `customer`: the reference of the customer, on the first leg of a call.
    - `carrier`: the reference of the carrier, on the leg of an offer or on the first leg.
    - `offers`: the offers of the call in order, on the first leg, as `originated_legs` lists them.
    """

    customer: str = "accountcode"
    carrier: str = "carrier"
    offers: str = "originated_legs"


DEFAULT = ChannelVariables()


def validate(variables: ChannelVariables) -> ChannelVariables:
    """Returns the variables. Refuses BAD_VARIABLE with the field."""
    fields = {
        "customerVariable": variables.customer,
        "carrierVariable": variables.carrier,
        "offersVariable": variables.offers,
    }
    for field, name in fields.items():
        if not _NAME.fullmatch(name):
            raise refusals.Refusal(
                "BAD_VARIABLE",
                "Set the name of a channel variable: 1 to 100 letters, digits, '_', '-' or '.'.",
                field,
            )
    return variables
