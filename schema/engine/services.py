"""The services that the operations of a process share."""

from dataclasses import dataclass, field

from redis.asyncio import Redis

from live import bus as buses
from resolvers import capacity as capacities
from resolvers.identity import sign_in_services
from resolvers.live import captions, feeds
from resolvers.live import last_states as live_states
from resolvers.records import intake as intakes
from schema.engine import spending as spendings
from schema.engine.fragments import cache


@dataclass(frozen=True, slots=True)
class Services:
    """`development` shows the schema to every caller. Without `spending` operations are not
    charged, and without `intake` nothing is replayed. `sip_realm` is the digest realm of SIP users.
    `capacity` limits how many expensive fields run at once. `fragments` caches parts of answers;
    None: nothing is cached."""

    redis: Redis
    bus: buses.Bus
    live_feeds: feeds.Feeds
    sign_in: sign_in_services.SignInServices = field(
        default_factory=sign_in_services.SignInServices
    )
    sip_realm: str = ""
    development: bool = False
    intake: intakes.Intake | None = None
    spending: spendings.Spending | None = None
    caption_cache: captions.CaptionCache = field(default_factory=captions.CaptionCache)
    last_states: live_states.LastStates = field(default_factory=live_states.LastStates)
    capacity: capacities.Capacity = field(default_factory=capacities.Capacity)
    fragments: cache.Cache | None = None
