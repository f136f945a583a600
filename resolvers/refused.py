"""Refused sign-ins: each in the log; those of a login that there is in its account's audit log too.

Noted at once and told a few seconds later, so that a refusal takes no longer for an e-mail that
there is. A flood writes little: `audit.insert_refused` says how much.
"""

from dataclasses import dataclass, field
from datetime import datetime

import structlog

from models import audit, logins
from resolvers import tries

_MOST_NOTED = 1_000  # between two tellings; the log has what is more

# What a login's account is told of. Not OTP_REQUIRED, which all are asked who have a second factor.
_TOLD = {"WRONG_CREDENTIALS", "WRONG_OTP", "TOO_MANY_TRIES", "ADDRESS_NOT_ALLOWED"}

_log = structlog.get_logger("server")


@dataclass(frozen=True, slots=True)
class _Refused:
    account_id: int
    subject: str
    customer_id: int | None
    reason: str
    site: str | None
    address: str | None = field(compare=False)  # the first one: a /64 has more than can be noted


class Noted:
    """What was refused in this process and is not told yet."""

    def __init__(self) -> None:
        self._since: dict[_Refused, datetime] = {}

    def add(
        self,
        person: logins.Person | None,
        email: str,
        address: str | None,
        reason: str,
        now: datetime,
    ) -> None:
        """`email` as entered; `person` None: nobody has it. `reason` is the refusal's code."""
        _log.info(
            "sign-in refused",
            account=None if person is None else person.account_id,
            login=None if person is None else person.id,
            email=tries.digest(email),
            address=address,
            reason=reason,
        )
        if person is None or reason not in _TOLD or len(self._since) >= _MOST_NOTED:
            return
        whose = (person.account_id, person.subject, person.customer_id)
        self._since.setdefault(_Refused(*whose, reason, tries.site_of(address), address), now)

    async def tell(self) -> None:
        """Writes what was noted until now into the audit log. What a flood adds meanwhile waits
        for the next time, so that it holds up nothing else that is told."""
        for of, at in list(self._since.items()):
            del self._since[of]
            await audit.insert_refused(
                of.account_id,
                of.subject,
                at,
                reason=of.reason,
                customer_id=of.customer_id,
                address=of.address,
                site=of.site,
            )
