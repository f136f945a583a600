"""The audit log as staff read it over HTTP."""

from typing import Any

from tests.support.api.callers import Caller

ENTRY = """at action actorKind actorId actorName actingStaffName subjectKind subjectId customerId
  changeCount changes { field before after }"""
LOG = """query Q($f: AuditFilter, $first: Int! = 50, $after: String) {
  auditLog(filter: $f, first: $first, after: $after) {
    edges { node { %s } } pageInfo { hasNextPage endCursor } } }"""


async def log(caller: Caller, **filter: Any) -> list[dict[str, Any]]:
    edges = (await caller.ask(LOG % ENTRY, f=filter))["auditLog"]["edges"]
    return [edge["node"] for edge in edges]
