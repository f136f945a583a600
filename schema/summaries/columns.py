"""The columns of the summary."""

from enum import Enum

import strawberry

from domain.summaries import cells


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


_COLUMNS = {column.name: column for column in cells.COLUMNS}


def column_of(column: SummaryColumn) -> cells.Column:
    return _COLUMNS[column.value]
