"""Channels up now: read, and pushed at every change."""

import strawberry

from schema import base


@strawberry.type
class HasChannels(base.Scoped):
    pass
