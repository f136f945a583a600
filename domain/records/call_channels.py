"""The channels of a switch that reports each leg of a call on its own, such as FreeSWITCH.

A channel is either the first leg of a call, which lists its offers in order, or an offer, which
names the channel that made it. `attempts` joins them. Channels are stored until they are joined, so
the names of the fields are part of the database.
"""

from datetime import timedelta

import msgspec

MAX_OFFERS = 500  # of one call
RETENTION = timedelta(days=3)  # in which the legs of a call have to arrive


class Offer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An offer as the first leg lists it. `cause` None: the switch did not report it."""

    channel_id: str
    cause: str | None = None


class Channel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a switch reports about one leg. Times are in microseconds since the epoch.

    - `originator_id`: the channel that made this offer. None: a first leg.
    - `is_internal`: it connects two parts of the switch, and neither a customer nor a carrier.
    - `carriers`: as the carrier's variable lists them. `gateway`: the name of the gateway.
    - `profile_at`: when the part of the call began that follows its last transfer.
    - `failure`: the cause of the last offer that failed.
    - `sip_code`: the final response that this leg received. `offer_sip_code`: that of its last
      offer.
    - `is_ended_remotely`: whether its party ended it, and not the switch. None: unknown.
    - `digits`: the number of DTMF digits, never the digits.
    """

    id: str
    originator_id: str | None = None
    is_outbound: bool = False
    is_internal: bool = False
    customer: str | None = None
    carriers: tuple[str, ...] = ()
    gateway: str | None = None
    source: str = ""
    destination: str = ""
    source_ip: str | None = None
    start_at: int
    profile_at: int | None = None
    progress_at: int | None = None
    answer_at: int | None = None
    bridge_at: int | None = None
    end_at: int
    bridge_id: str | None = None
    cause: str = ""
    q850_cause: int | None = None
    failure: str | None = None
    sip_code: int | None = None
    offer_sip_code: int | None = None
    is_ended_remotely: bool | None = None
    digits: int = 0
    offers: tuple[Offer, ...] = ()

    @property
    def is_transferred_offer(self) -> bool:
        """Whether it is an offer that was transferred and then made offers of its own."""
        return self.originator_id is not None and bool(self.offers) and self.customer is not None

    @property
    def is_attempt(self) -> bool:
        """Whether it is the first leg of an attempt."""
        return not self.is_internal and (self.originator_id is None or self.is_transferred_offer)
