"""What is told once, numbered and kept; of a gauge only the latest state counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """Every kind there is; another is one more name here and one more subscription."""

    INVOICE_ISSUED = "INVOICE_ISSUED"  # subject: the invoice
    CHECKLIST_CHANGED = "CHECKLIST_CHANGED"  # detail: {"open": {code: how many}}
    ALERT = "ALERT"  # subject: its rule; detail: {"kind": …, "value": a decimal, or null}


@dataclass(frozen=True, slots=True)
class Fact:
    """`number` is its place in the stream it was read from, consecutive from 1."""

    number: int
    at: datetime
    customer_id: int | None
    subject_id: int | None
    detail: Mapping[str, Any]
