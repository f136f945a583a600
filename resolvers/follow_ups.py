"""The follow-ups of committed changes: publishing checklists and waking workers."""

from collections.abc import Set
from dataclasses import dataclass

from redis.asyncio import Redis

from live import wake
from models import changes
from resolvers.checklists import checklists


@dataclass(frozen=True, slots=True)
class FollowUps:
    """For `changes.follow_with`. Failures are only logged, because the change is committed."""

    redis: Redis

    async def __call__(self, changed: Set[changes.Change]) -> None:
        for work in changes.Work:
            if work in changed:
                await wake.hint(self.redis, wake.Work(work))
        audited_changes = [
            change for change in changed if isinstance(change, changes.AuditedChange)
        ]
        for account_id in {entry.account_id for entry in audited_changes}:
            entries = [entry for entry in audited_changes if entry.account_id == account_id]
            # A customer's change may also concern the account: the first customer resolves an item.
            customer_ids = {entry.customer_id for entry in entries} | {None}
            at = max(entry.at for entry in entries)
            await checklists.settle(account_id, customer_ids, self.redis, at)
