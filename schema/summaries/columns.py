"""The columns of the summary."""

from enum import Enum

import strawberry

from domain.summaries import cells
from resolvers.access import Capability


@strawberry.enum(description="A column of the summary.")
class SummaryColumn(Enum):
    ATTEMPTS = "ATTEMPTS"
    ANSWERED = "ANSWERED"
    ASR = "ASR"
    ACD_SECONDS = "ACD_SECONDS"
    NER = "NER"
    PDD_MS = "PDD_MS"
    DTMF_PERCENT = "DTMF_PERCENT"
    TALK_SECONDS = strawberry.enum_value(
        "TALK_SECONDS", description="Talk time in seconds, exact to the microsecond: `talkTime`."
    )
    BILLED_SECONDS = "BILLED_SECONDS"
    UNRATED_CALLS = "UNRATED_CALLS"
    CHARGE = "CHARGE"
    COST = strawberry.enum_value(
        "COST",
        description="What carriers are paid, without `uncostedLegs`. Requires permission to"
        f" {Capability.SEE_COST}.",
    )
    PROFIT = strawberry.enum_value(
        "PROFIT",
        description="Charge − cost. Has no value if a cost is not known. Requires"
        f" permission to {Capability.SEE_COST}.",
    )
    MARGIN_PERCENT = strawberry.enum_value(
        "MARGIN_PERCENT",
        description="100 × profit ÷ charge. Has no value without a profit and if"
        f" the charge is 0. Requires permission to {Capability.SEE_COST}.",
    )


_COLUMNS = {column.name: column for column in cells.COLUMNS}


def column_of(column: SummaryColumn) -> cells.Column:
    return _COLUMNS[column.value]
