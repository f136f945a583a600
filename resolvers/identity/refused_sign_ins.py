"""Refused sign-ins: all in the log, and those of existing logins in the audit log of the
account.

They are collected at once and written some seconds later, so that a refusal takes the same time
for existing and unknown e-mail addresses. `audit.insert_refused` limits the entries of an
attack.
"""

from dataclasses import dataclass, field
from datetime import datetime

import structlog

from models.directory import audit_log
from models.identity import logins
from resolvers.identity import try_limits

_MAX_COLLECTED = 1_000  # between two writes; the log contains the others

# Codes for the audit log. Not OTP_REQUIRED, which every login with a second factor receives.
_AUDITED_CODES = {"WRONG_CREDENTIALS", "WRONG_OTP", "TOO_MANY_TRIES", "ADDRESS_NOT_ALLOWED"}

_log = structlog.get_logger("server")


@dataclass(frozen=True, slots=True)
class _Refused:
    account_id: int
    subject: str
    customer_id: int | None
    reason: str
    site: str | None
    address: str | None = field(compare=False)  # the first of its /64 network


class RefusedSignIns:
    """The refusals of this process that have not been written."""

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
        """Adds a refusal. `email` as entered; `person` None: no login has it. `reason` is the
        refusal's code."""
        _log.info(
            "sign-in refused",
            account=None if person is None else person.account_id,
            login=None if person is None else person.id,
            email=try_limits.digest(email),
            address=address,
            reason=reason,
        )
        if person is None or reason not in _AUDITED_CODES or len(self._since) >= _MAX_COLLECTED:
            return
        whose = (person.account_id, person.subject, person.customer_id)
        self._since.setdefault(_Refused(*whose, reason, try_limits.site_of(address), address), now)

    async def write(self) -> None:
        """Writes the collected refusals to the audit log. Those that arrive meanwhile wait for
        the next time, so that an attack does not delay other writes."""
        for of, at in list(self._since.items()):
            del self._since[of]
            await audit_log.insert_refused(
                of.account_id,
                audit_log.RefusedSignIn(
                    subject=of.subject,
                    reason=of.reason,
                    customer_id=of.customer_id,
                    address=of.address,
                    site=of.site,
                ),
                at,
            )
