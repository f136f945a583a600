"""All limits of tries by people.

A try counts unless it turns out to be correct. Nobody can use up another person's tries: each
login has its own limit per address. The limit over all addresses does not apply where the login
has signed in before, nor for an hour after its password was set with a link. Requests with an
unknown address are in no bucket of addresses, because all of them would share it.
"""

import hashlib
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from domain import refusals
from domain.identity import callers, networks
from live import throttle as throttles

Bucket = throttles.Bucket

TRUSTED = timedelta(hours=1)  # after a password was set with a link


@dataclass(frozen=True, slots=True)
class Tries:
    """The buckets in which a try is counted. `guards` do not apply if `trusted` is trusted."""

    always: tuple[Bucket, ...]
    guards: tuple[Bucket, ...] = ()
    trusted: str = ""

    async def enter(self, throttle: throttles.Throttle) -> None:
        """TOO_MANY_TRIES, with the seconds to wait."""
        wait = await throttle.enter(self.always, unless_trusted=self.guards, trusted=self.trusted)
        if wait > 0:
            raise refusals.TemporaryRefusal(
                "TOO_MANY_TRIES",
                "Too many tries. Try again in {seconds} seconds.",
                seconds=math.ceil(wait),
            )

    async def give_back(self, throttle: throttles.Throttle) -> None:
        await throttle.give_back(self.always, unless_trusted=self.guards, trusted=self.trusted)


def login(email: str, site: str | None, *, at_home: bool) -> Tries:
    """Wrong passwords. `email` is the entered text. `at_home`: the login has signed in from
    this network before."""
    email_hash = digest(email)
    guard = Bucket(f"login:{email_hash}", 100, 180)
    if site is None:
        return Tries((guard,))
    site_buckets = (Bucket(f"address:{site}", 50, 10), Bucket(f"login:{email_hash}:{site}", 10, 60))
    return Tries(site_buckets, () if at_home else (guard,), _trusted(email_hash, site))


def otp(email: str, site: str | None, *, at_home: bool) -> Tries:
    """Wrong second factors. Three of a million codes are valid, so 10 tries and then 4 an hour."""
    email_hash = digest(email)
    guard = Bucket(f"otp:{email_hash}", 10, 900)
    if site is None:
        return Tries((guard,))
    site_buckets = (
        Bucket(f"otp:{email_hash}:{site}", 10, 900),
    )  # also if trusted, because a link does not replace the factor
    return (
        Tries(site_buckets)
        if at_home
        else Tries(site_buckets, (guard,), _trusted(email_hash, site))
    )


def own_password(email: str, site: str | None) -> Tries:
    """Wrong passwords of a signed-in person."""
    return Tries((Bucket(f"own:{digest(email)}:{site or ''}", 10, 60),))


def links(site: str | None) -> Tries:
    """Requests and uses of links."""
    return Tries(() if site is None else (Bucket(f"links:{site}", 20, 60),))


def reset_mails(email: str) -> Tries:
    """Messages with a reset link to one address, from all callers."""
    return Tries((Bucket(f"mails:{digest(email)}", 3, 1_200),))


@asynccontextmanager
async def setting_email(
    throttle: throttles.Throttle, caller: callers.Caller, *, is_set: bool = True
) -> AsyncIterator[None]:
    """Counts the e-mail addresses that turn out to have a login (EMAIL_TAKEN), for the caller
    and its account: the refusal reveals which addresses have a login in this installation.

    Refuses TOO_MANY_TRIES. Counts nothing unless an e-mail address `is_set`.
    """
    if not is_set:
        yield
        return
    account_id = caller.account_id
    tries = Tries(
        (
            Bucket(f"taken:{account_id}:{caller.actor}", 20, 180),
            Bucket(f"taken:{account_id}", 100, 60),
        )
    )
    await tries.enter(throttle)
    try:
        yield
    except BaseException as error:
        if not isinstance(error, refusals.Refusal) or error.code != "EMAIL_TAKEN":
            await tries.give_back(throttle)
        raise
    await tries.give_back(throttle)


async def trust(throttle: throttles.Throttle, email: str, site: str | None) -> None:
    """Trusts the address, unless it is unknown: then all unknown ones would be trusted."""
    if site is not None:
        await throttle.trust(_trusted(digest(email), site), int(TRUSTED.total_seconds()))


def site_of(address: str | None) -> str | None:
    return None if address is None else networks.site(address)


def _trusted(email_hash: str, site: str) -> str:
    return f"trusted:{email_hash}:{site}"


def digest(email: str) -> str:
    """The digest of an address, so that Redis contains no addresses, and keys have equal
    lengths."""
    return hashlib.sha256(email.encode("utf-8", "surrogatepass")).hexdigest()[:32]
