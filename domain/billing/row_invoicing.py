"""The share of a summary row's hours that is on invoices."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    NONE = "NONE"
    PARTLY = "PARTLY"
    FULLY = "FULLY"


@dataclass(frozen=True, slots=True)
class RowInvoicing:
    """The number of hours of a row, and of the hours on each invoice, by the invoice's id."""

    hours: int
    hours_by_invoice: Mapping[int, int]

    @property
    def invoiced_hours(self) -> int:
        return sum(self.hours_by_invoice.values())

    @property
    def state(self) -> State:
        if not self.hours_by_invoice:
            return State.NONE
        return State.FULLY if self.invoiced_hours == self.hours else State.PARTLY

    @property
    def sole_invoice_id(self) -> int | None:
        """The id of the invoice that contains all hours of the row; None if no single one does."""
        return (
            next(iter(self.hours_by_invoice))
            if self.state is State.FULLY and len(self.hours_by_invoice) == 1
            else None
        )
