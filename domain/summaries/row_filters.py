"""Which rows of the summary a caller selects."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain import epoch, periods, refusals
from domain.billing import row_invoicing
from domain.periods import Granularity, Period

MAX_DAYS = 731  # two years, one of which may be a leap year
_MAX_RANGE = timedelta(days=MAX_DAYS)
_EARLIEST = epoch.EPOCH
LATEST = datetime(3000, 1, 1, tzinfo=UTC)
_ALWAYS = Period(
    datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows of periods that start in [start, end). None: without a restriction."""

    start: datetime | None = None
    end: datetime | None = None
    open: bool | None = None
    invoicing: frozenset[row_invoicing.State] | None = None

    def __post_init__(self) -> None:
        """Refuses BAD_RANGE and EMPTY_SELECTION if no row can match."""
        start, end = self.start or _EARLIEST, self.end or LATEST
        if not _EARLIEST <= start < end <= LATEST:
            raise refusals.Refusal(
                "BAD_RANGE", "`from` must be before `to`, both from 1970 to 2999.", "from"
            )
        if self.invoicing is not None and not self.invoicing:
            raise refusals.Refusal(
                "EMPTY_SELECTION",
                "Select at least one state of `invoicing`, or leave it out.",
                "invoicing",
            )

    def starts(self, granularity: Granularity, now: datetime) -> Period:
        """The starts of the matching periods, apart from their invoicing: from the start of a
        period to that of another, which may be the same (no period matches)."""
        start = _ALWAYS.start if self.start is None else _next_start(granularity, self.start)
        end = _ALWAYS.end if self.end is None else _next_start(granularity, self.end)
        current = periods.period_containing(granularity, now).start
        if self.open is True:
            start = max(start, current)
        if self.open is False:
            end = min(end, current)
        return Period(start, max(start, end))

    def require_bounded(self, granularity: Granularity, now: datetime) -> None:
        """Refuses BAD_RANGE if it covers more than MAX_DAYS days. LIVE has always few rows."""
        if granularity is Granularity.LIVE:
            return
        if self.start is None or (self.end or now) - self.start > _MAX_RANGE:
            raise refusals.Refusal(
                "BAD_RANGE",
                "Rows can be ordered by a column, or filtered by invoicing, within at most {most}"
                " days. Set `from` and `to` in the filter.",
                "from",
                most=MAX_DAYS,
            )


def _next_start(granularity: Granularity, instant: datetime) -> datetime:
    """The first start of a period at or after the instant."""
    period = periods.period_containing(granularity, instant)
    return period.start if period.start == instant else period.end
