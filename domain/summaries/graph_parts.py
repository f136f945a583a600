"""What the parts of a graph are."""

from enum import StrEnum


class Part(StrEnum):
    """As the column of their key in the tables of sums."""

    CARRIER = "carrier_id"
    CUSTOMER = "customer_id"
    COUNTRY = "country"
