"""The operations of `bench cost`: documents of clients, and the fields with the highest prices."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bench.support import cost_data as data
from domain import periods
from schema.engine import base

Variables = Mapping[str, Any]
Step = tuple[str, Variables | Callable[[dict[str, Any]], Variables]]


@dataclass(frozen=True, slots=True)
class Case:
    """Operations of a caller (owner, contact or billing), one after another. Variables of a
    later operation come from the data of the previous one, so that its effect is undone."""

    name: str
    caller: str
    steps: tuple[Step, ...]


DASHBOARD = """query Dashboard($from: DateTime!, $to: DateTime!, $carriers: [ID!]) { viewer {
  __typename
  ... on Staff   { id name role account { id name } }
  ... on ApiKey  { id name scopes account { id name } }
  ... on Contact {
    id name email emailVerifiedAt mobile mobileVerifiedAt language timeZone
    customer {
      id reference name currency status paymentUrl
      balance { amount currency } debitLimit { amount currency }
      checklist { outstanding items { code title detail } }
      channels { inUse limit sequence asOf byCarrier { carrier { id name } inUse } }
      stats(from: $from, to: $to, interval: HOUR, carrierIds: $carriers) {
        timeZone
        total { at attempts answered asr acdSeconds dtmfPercent pddMs channelsMax cps }
        byCarrier { carrier { id name }
          points { at attempts answered asr acdSeconds dtmfPercent channelsMax } }
      }
      summary(granularity: LIVE, first: 24) {
        asOf billable
        edges { cursor node { id periodStart periodEnd open version attempts answered asr
          acdSeconds talkSeconds billedSeconds charge { amount currency } invoice { id number } } }
        pageInfo { hasNextPage endCursor }
      } } } } }"""
CELLS = """query($rows: [ID!]!, $column: SummaryColumn!) { summaryCells(rowIds: $rows,
  column: $column) { count sum cellAverage weightedAverage } }"""
LOGIN = """mutation($i: LoginInput!) { login(input: $i) { __typename
  ... on Session { token expiresAt } ... on Refusal { code message } } }"""
GENERATE = """mutation($i: GenerateInvoiceInput!) { generateInvoice(input: $i) { __typename
  ... on Invoice { id number status total { amount currency } }
  ... on Refusal { code message } } }"""
DISCARD = "mutation($i: DiscardDraftInput!) { discardDraft(input: $i) { __typename } }"
FEED = """query($after: String, $first: Int!) { invoices(first: $first, after: $after,
  filter: { statuses: [ISSUED, PAID, VOID] }) { pageInfo { hasNextPage endCursor } edges { cursor
  node { id kind number status issuedAt periodStart periodEnd customer { id reference } currency
  subtotal { amount } tax { amount } rounding { amount } total { amount currency } contentHash
  lines { kind description periodStart periodEnd calls billedSeconds amount { amount } } } } } }"""
BLOCK = """mutation($c: ID!) { assignNumberBlock(customerId: $c) { __typename
  ... on NumberBlock { id first last size } ... on Refusal { code message } } }"""
FREE = "mutation($i: FreeNumberBlockInput!) { freeNumberBlock(input: $i) { __typename } }"
NUMBERS = """query($c: ID!) { customer(id: $c) { numberBlocks { id first last size used }
  availableUsernames(first: 20) { edges { node } }
  sipUsers(first: 20) { edges { node { id username } } } } }"""
SIP = """mutation($i: CreateSipUserInput!) { createSipUser(input: $i) { __typename
  ... on SipUser { id username } ... on Refusal { code message } } }"""
REMOVE_SIP = "mutation($i: RemoveSipUserInput!) { removeSipUser(input: $i) { __typename } }"
PROOF = """query($c: ID!, $from: DateTime!, $to: DateTime!) { reconciliation(customerId: $c,
  from: $from, to: $to) { balanced records { calls charge { amount } }
  rows { calls charge { amount } } ledger { charge { amount } } invoiced { charge { amount } }
  pending { hour reason } differences { hour detail } } }"""


def documents(world: data.World, rows: list[str], free: str) -> list[Case]:
    """The documents of clients; `rows` are closed days that are on no invoice."""
    first, now = world.customers[0], world.now
    hour = now.replace(minute=0, second=0, microsecond=0)
    day, week = hour - timedelta(days=1), hour - timedelta(days=7)
    to = hour.isoformat()
    draft = {"customerId": first, "rowIds": rows, "idempotencyKey": "draft", "issue": False}
    keys = iter(range(1_000_000))
    return [
        Case("Dashboard, 24 hours", "contact", ((DASHBOARD, {"from": day.isoformat(), "to": to}),)),
        Case("Dashboard, 7 days", "contact", ((DASHBOARD, {"from": week.isoformat(), "to": to}),)),
        Case("Cells, 10 rows", "contact", ((CELLS, {"rows": rows[:10], "column": "CHARGE"}),)),
        Case(
            "Login",
            "nobody",
            ((LOGIN, {"i": {"email": world.email, "password": data.PASSWORD}}),),
        ),
        Case(
            "Generate a draft, discard it",
            "owner",
            (
                (GENERATE, lambda _: {"i": draft | {"idempotencyKey": f"draft-{next(keys)}"}}),
                (DISCARD, lambda got: {"i": {"invoiceId": got["generateInvoice"]["id"]}}),
            ),
        ),
        Case("BillingFeed, 100 documents", "billing", ((FEED, {"first": 100}),)),
        Case("BillingFeed, 10 documents", "billing", ((FEED, {"first": 10}),)),
        Case(
            "Block, free it",
            "owner",
            (
                (BLOCK, {"c": world.customers[1]}),
                (FREE, lambda got: {"i": {"id": got["assignNumberBlock"]["id"]}}),
            ),
        ),
        Case("Numbers", "owner", ((NUMBERS, {"c": first}),)),
        Case(
            "Sip, remove it",
            "owner",
            (
                (SIP, {"i": {"customerId": first, "username": free}}),
                (REMOVE_SIP, lambda got: {"i": {"id": got["createSipUser"]["id"]}}),
            ),
        ),
        Case("Proof, 1 day", "owner", ((PROOF, {"c": first, "from": day.isoformat(), "to": to}),)),
        Case(
            "Proof, 31 days",
            "owner",
            ((PROOF, {"c": first, "from": (hour - timedelta(days=31)).isoformat(), "to": to}),),
        ),
    ]


_SUMS = "edges { cursor node { id version attempts answered asr acdSeconds talkTime %s } }"
_ROW = "summary(granularity: DAILY, first: 31) { edges { node { id %s } } }"
_CALL = """switch callId leg revision final source destination setupAt answerAt endAt talkTime
  customer { id name } carrier { id name } charge { amount } cost { amount }"""
# Fields with long answers; `$c` is the first customer, `$x` its earliest day, `$to` now.
FIELDS: Mapping[str, tuple[str, str]] = {
    "customers, 100": ("owner", "customers(first: 100) { edges { node { id reference name } } }"),
    "customers, 100 balances": (
        "owner",
        "customers(first: 100) { edges { node { id name balance { amount } } } }",
    ),
    "customers, 100 checklists": (
        "owner",
        "customers(first: 100) { edges { node { id checklist { outstanding } } } }",
    ),
    "customers, 100 channels": (
        "owner",
        "customers(first: 100) { edges { node { id channels { inUse cps } } } }",
    ),
    "contacts, 100": ("owner", "contacts(first: 100) { edges { node { id name email } } }"),
    "summary, 31 days": (
        "owner",
        "customer(id: $c) { summary(granularity: DAILY, first: 31) {"
        f" {_SUMS % 'charge { amount } invoice { id number }'} }} }}",
    ),
    "summary, 31 days by charge": (
        "owner",
        "customer(id: $c) { summary(granularity: DAILY, first: 31, filter: { from: $x, to: $to },"
        f" orderBy: {{ column: CHARGE }}) {{ {_SUMS % 'charge { amount }'} }} }}",
    ),
    "summary, 31 days by carrier": (
        "owner",
        f"customer(id: $c) {{ {_ROW % 'byCarrier { parts { carrier { name } attempts asr } }'} }}",
    ),
    "summary, 31 days by prefix": (
        "owner",
        f"customer(id: $c) {{ {_ROW % 'byPrefix { parts { prefix attempts asr } }'} }}",
    ),
    "summary, 31 days with costs": (
        "owner",
        f"customer(id: $c) {{ {_ROW % 'cost { amounts { amount } profit { amount } }'} }}",
    ),
    "account summary, 31 days": (
        "owner",
        "viewer { ... on Staff { account { summary(granularity: DAILY, first: 31) {"
        f" {_SUMS % 'charges { amount }'} }} }} }} }}",
    ),
    "stats, 31 days by the hour": (
        "owner",
        "customer(id: $c) { stats(from: $x, to: $to, interval: HOUR) {"
        " total { at attempts answered asr pddMs cps } ner } }",
    ),
    "stats, 31 days by carrier": (
        "owner",
        "customer(id: $c) { stats(from: $x, to: $to, interval: HOUR) {"
        " byCarrier { carrier { id name } points { at attempts answered asr } } } }",
    ),
    "account stats, 31 days": (
        "owner",
        "viewer { ... on Staff { account { stats(from: $x, to: $to, interval: DAY) {"
        " total { at attempts answered asr } codes { code attempts } } } } }",
    ),
    "quarantine, 100": (
        "owner",
        "quarantine(first: 100) { edges { node { id payload code message field receivedAt } } }",
    ),
    "heldRecords, 100": (
        "owner",
        f"heldRecords(first: 100) {{ edges {{ node {{ id held {{ {_CALL} }} counts {{ {_CALL} }}"
        " } } }",
    ),
    "unratedCalls, 100": (
        "owner",
        f"unratedCalls(first: 100) {{ edges {{ node {{ {_CALL} }} }} }}",
    ),
    "auditLog, 100": (
        "owner",
        "auditLog(first: 100) { edges { node { id at action actorName changeCount"
        " changes { field before after } } } }",
    ),
    "alertRules, 100": (
        "owner",
        "alertRules(first: 100) { edges { node { id title metric customer { id name }"
        " recipients { channel to } } } }",
    ),
    "sipUsers, 100": (
        "owner",
        "customer(id: $c) { sipUsers(first: 100) { edges { node { id username } } } }",
    ),
    "availableUsernames, 100": (
        "owner",
        "customer(id: $c) { availableUsernames(first: 100) { edges { node } } }",
    ),
    "carriers, 10": ("owner", "carriers(first: 10) { edges { node { id name reference } } }"),
    "liveStats": (
        "contact",
        "viewer { ... on Contact { customer { liveStats { attempts asr } } } }",
    ),
    "viewer": ("contact", "viewer { __typename }"),
}  # fmt: skip


def fields(world: data.World) -> list[Case]:
    now = world.now
    start = (now - timedelta(days=31)).isoformat()
    values = {"c": world.customers[0], "x": start, "to": now.isoformat()}
    types = {"c": "ID!", "x": "DateTime!", "to": "DateTime!"}
    cases = []
    for name, (caller, text) in FIELDS.items():
        used = {variable: type for variable, type in types.items() if f"${variable}" in text}
        declared = ", ".join(f"${variable}: {type}" for variable, type in used.items())
        query = f"query({declared}) {{ {text} }}" if used else f"{{ {text} }}"
        cases.append(Case(name, caller, ((query, {name: values[name] for name in used}),)))
    many = {"rows": hour_rows(world, 500), "column": "ASR"}
    return [*cases, Case("summaryCells, 500 rows", "owner", ((CELLS, many),))]


def hour_rows(world: data.World, count: int) -> list[str]:
    """Ids of the first customer's latest hours."""
    end = world.now.replace(minute=0, second=0, microsecond=0)
    account, customer, live = world.account_id, world.numbers[0], periods.Granularity.LIVE
    starts = [end - timedelta(hours=n + 1) for n in range(count)]
    keys = [periods.RowKey(account, customer, live, start) for start in starts]
    return [base.encode_id("SummaryRow", account, *key.parts()) for key in keys]
