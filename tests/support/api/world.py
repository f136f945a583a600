"""Two accounts with objects of every type, and every kind of caller."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.alerting.evaluation import Reading
from domain.identity import callers
from domain.identity.callers import Kind, Role, Scope
from models import db
from models.alerting import alert_states
from models.checklists import checklist_state
from models.records import call_keys
from models.summaries import hours
from models.tables import Session, Staff
from runtime import clock
from schema.engine import base
from tests.support.api import record_review
from tests.support.api.callers import Caller, Carrier
from tests.support.api.past_calls import days_ago, ended, post

BLOCK = (
    "mutation M($c: ID!) { assignNumberBlock(customerId: $c) { ... on NumberBlock { id first } } }"
)
ROWS = """query($c: ID!) { customer(id: $c) { summary(granularity: DAILY, first: 1) {
  edges { node { id } } } } }"""
ACCOUNT_ROWS = """{ viewer { ... on Staff { account { id
  summary(granularity: DAILY, first: 1) { edges { node { id } } } } } } }"""
FREE = """query($c: ID!) { customer(id: $c) { availableUsernames(first: 50) {
  edges { node } } } }"""
USERS = """query($c: ID!, $u: String) { customer(id: $c) { sipUsers(startingWith: $u) {
  edges { node { id username } } } } }"""
HELD = "{ heldRecords(first: 50) { edges { node { id callId } } } }"
MOBILE = """mutation { updateProfile(input: {mobile: "+441632960000"}) { __typename } }"""
NO_NUMBER = 999_999_999
OTHERS = "Kept from other customers"
FOREIGN = "Kept from other accounts"


@dataclass(frozen=True)
class Ids:
    """Of a kind: the caller's own customer's, another customer's, another account's, and one that
    does not exist in each account."""

    own: str
    other: str | None
    none: str
    foreign: str
    void: str


@dataclass
class Who:
    """`may` None: an unauthenticated caller."""

    name: str
    asks: Caller
    may: callers.Caller | None

    @property
    def restricted(self) -> bool:
        return self.may is not None and self.may.customer_id is not None


@dataclass
class World:
    account: Carrier
    ids: Mapping[str, Ids]
    everybody: list[Who] = field(default_factory=list)


async def create(url: str) -> World:
    mine, theirs = await Carrier.create(url, clock.now()), await Carrier.create(url, clock.now())
    for carrier in (mine, theirs):
        await carrier.owner.do(
            "setNumberRange", "NumberRange", "start", start=1_000, end=99_999, blockSize=100
        )
    own = await _of_customer(mine, "Mine")
    other = await _of_customer(mine, OTHERS)
    foreign = await _of_customer(theirs, FOREIGN)
    ids = {kind: _ids(kind, own[kind], other[kind], foreign[kind]) for kind in own}
    mine_too, theirs_too = await _of_account(mine, "Mine"), await _of_account(theirs, FOREIGN)
    await _complete_calls(mine, mine_too)
    ids |= {kind: _ids(kind, mine_too[kind], None, theirs_too[kind]) for kind in mine_too}
    world = World(mine, ids)
    world.everybody = await _everybody(mine, own["Customer"])
    for who in world.everybody:
        if who.may is not None and who.may.session_id is None and who.may.kind is not Kind.KEY:
            await who.asks.ask(MOBILE)
    return world


async def _new_rule(carrier: Carrier, customer: str, title: str = "A rule") -> str:
    rule = await carrier.owner.do(
        "createAlertRule",
        "AlertRule",
        "id",
        title=title,
        metric="ASR",
        operator="BELOW",
        threshold="40",
        sampleMinutes=5,
        customerId=customer,
        recipients=[{"channel": "EMAIL", "to": "ops@voice.example"}],
    )
    id: str = rule["id"]
    return id


async def _new_user(carrier: Carrier, customer: str) -> str:
    free = await carrier.owner.ask(FREE, c=customer)
    # The last one, because the tests choose the first ones.
    username = free["customer"]["availableUsernames"]["edges"][-1]["node"]
    user = await carrier.owner.do(
        "createSipUser", "SipUser", "id", customerId=customer, username=username
    )
    id: str = user["id"]
    return id


async def free_username(carrier: Carrier, customer: str, username: str) -> None:
    """Removes the SIP user that has it, if there is one."""
    answer = await carrier.owner.ask(USERS, c=customer, u=username)
    for edge in answer["customer"]["sipUsers"]["edges"]:
        if edge["node"]["username"] == username:
            await carrier.owner.do("removeSipUser", "SipUser", "id", id=edge["node"]["id"])


async def _new_contact(carrier: Carrier, customer: str, name: str = "A person") -> str:
    """Invited some minutes ago."""
    contact = await carrier.owner.do(
        "createContact",
        "Contact",
        "id",
        customerId=customer,
        name=name,
        email=f"{carrier.unique('victim')}@acme.example",
    )
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE proofs SET created_at = created_at - interval '5 minutes'"
            " WHERE account_id = $1",
            carrier.account_id,
        )
    id: str = contact["id"]
    return id


def _ids(kind: str, own: str, other: str | None, foreign: str) -> Ids:
    return Ids(own, other, _missing(kind, other or own), foreign, _missing(kind, foreign))


def _missing(kind: str, like: str) -> str:
    """An id of the same account and shape that nothing has."""
    split = base.split_id(like)
    assert split is not None
    name, account_id, parts = split
    if name == "SummaryRow":
        return base.encode_id(name, account_id, *parts[:2], "2001010100")
    return base.encode_id(name, account_id, NO_NUMBER)


async def _new_key(carrier: Carrier, customer: str, name: str = "A key") -> str:
    key = await carrier.owner.do(
        "createApiKey",
        "CreatedApiKey",
        "id",
        name=name,
        scopes=["LIVE_READ"],
        customerId=customer,
    )
    id: str = key["id"]
    return id


NEW = {"AlertRule": _new_rule, "ApiKey": _new_key, "Contact": _new_contact, "SipUser": _new_user}


async def _of_customer(carrier: Carrier, name: str) -> dict[str, str]:
    """A customer with an invited contact, a key, and calls of two days, one of them invoiced."""
    owner, reference = carrier.owner, carrier.unique("company")
    customer = await carrier.customer(name=name, reference=reference)
    contact = await _new_contact(carrier, customer, name)
    key = await _new_key(carrier, customer, name)
    setup = days_ago(3) + timedelta(hours=7)
    await post(
        await carrier.key("INGEST"),
        *(
            ended(reference, f"{reference}-{day}", setup + timedelta(days=day), "0.10")
            for day in (0, 1)
        ),
    )
    await _rebuilt()
    [row] = (await owner.ask(ROWS, c=customer))["customer"]["summary"]["edges"]
    invoice = await _invoiced(owner, customer, row["node"]["id"])
    split = base.split_id(customer)
    assert split is not None
    await checklist_state.settle(split[1], [int(split[2][0])], clock.now())
    block = (await owner.ask(BLOCK, c=customer))["assignNumberBlock"]
    user = await owner.do(
        "createSipUser", "SipUser", "id", customerId=customer, username=str(block["first"])
    )
    rule = await _new_rule(carrier, customer, name)
    await _raised(split[1])
    await carrier.contact(customer)  # whose session no test has
    session = await Session.filter(account_id=split[1]).order_by("-id").first()
    assert session is not None
    return {
        "AlertRule": rule,
        "NumberBlock": block["id"],
        "SipUser": user["id"],
        "Session": base.encode_id("OpenSession", split[1], session.id),
        "Customer": customer,
        "Contact": contact,
        "ApiKey": key,
        "SummaryRow": row["node"]["id"],
        "Invoice": invoice,
        "Call": _call_id(split[1], f"{reference}-0"),
    }


def _call_id(account_id: int, call_id: str) -> str:
    key = call_keys.key_bytes("edge-1", call_id).hex()
    return base.encode_id("Call", account_id, key, 0)


async def _complete_calls(carrier: Carrier, ids: Mapping[str, str]) -> None:
    """Gives the account's calls everything that a call can have."""
    numbers = [
        base.decode_id(ids[kind], kind, carrier.account_id) for kind in ("Carrier", "RateCard")
    ]
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE call_records SET carrier_id = $2, cost = 0.01, rate_card_id = $3"
            " WHERE account_id = $1",
            *(carrier.account_id, *numbers),
        )


async def _raised(account_id: int) -> None:
    """As a worker does when few calls are answered."""
    for rule in await alert_states.active_rules(account_id):
        await alert_states.apply_reading(rule, Reading(Decimal(30)), clock.now())


async def _rebuilt() -> None:
    for marked in await hours.marked_hours(100):  # as a worker does
        await hours.rebuild(*marked, clock.now())


async def _invoiced(owner: Caller, customer: str, row: str) -> str:
    invoice = await owner.do(
        "generateInvoice",
        "Invoice",
        "id",
        customerId=customer,
        rowIds=[row],
        idempotencyKey=customer,
    )
    id: str = invoice["id"]
    return id


async def _of_account(carrier: Carrier, name: str) -> dict[str, str]:
    owner = carrier.owner
    objects: dict[str, Any] = {
        "Carrier": await owner.do(
            "createCarrier",
            "Carrier",
            "id",
            name=name,
            reference=carrier.unique("carrier"),
            currency="EUR",
            sipUri="sip:carrier-a.example:5060",
        ),
        "Staff": await owner.do(
            "createStaff",
            "Staff",
            "id",
            name=name,
            email=f"{carrier.unique('victim')}@voice.example",
            role="SUPPORT",
        ),
        "RateCard": await owner.do("createRateCard", "RateCard", "id", name=name, currency="EUR"),
    }
    objects |= await _to_review(carrier, name)
    account = (await owner.ask(ACCOUNT_ROWS))["viewer"]["account"]
    objects["Account"] = account
    objects["AccountSummaryRow"] = account["summary"]["edges"][0]["node"]
    return {kind: node["id"] for kind, node in objects.items()}


async def _to_review(carrier: Carrier, name: str) -> dict[str, Any]:
    """A record that was refused before there was its customer, and one that was held."""
    reference, switch = carrier.unique("late"), await carrier.key("INGEST")
    setup = days_ago(2) + timedelta(hours=7)
    call = ended(reference, reference, setup, "0.10") | {"sip_reason": name}
    await record_review.send(switch, call)
    await carrier.customer(reference=reference)
    twice = f"{reference}-twice"
    records = [ended(reference, twice, setup, charge) | {"released_by": name} for charge in "12"]
    await record_review.send(switch, *records)
    quarantined_records = await record_review.quarantined(carrier.owner)
    held_records = [
        edge["node"] for edge in (await carrier.owner.ask(HELD))["heldRecords"]["edges"]
    ]
    return {
        "QuarantinedRecord": next(
            record for record in quarantined_records if reference in record["payload"]
        ),
        "HeldRecord": next(record for record in held_records if record["callId"] == twice),
    }


async def to_review(carrier: Carrier) -> dict[str, str]:
    """New ones, by kind."""
    return {kind: node["id"] for kind, node in (await _to_review(carrier, "Mine")).items()}


async def _everybody(carrier: Carrier, customer: str) -> list[Who]:
    split = base.split_id(customer)
    assert split is not None
    account_id, of = split[1], int(split[2][0])

    def staff(role: Role) -> callers.Caller:
        return callers.Caller(account_id, Kind.STAFF, 1, role=role)

    def key(scope: Scope, customer_id: int | None) -> callers.Caller:
        return callers.Caller(
            account_id, Kind.KEY, 1, scopes=frozenset({scope}), customer_id=customer_id
        )

    contact = callers.Caller(account_id, Kind.CONTACT, 1, customer_id=of)
    acting = replace(contact, staff_id=1, role=Role.OWNER)
    return [
        Who("owner", carrier.owner, staff(Role.OWNER)),
        Who("support", await carrier.staff("SUPPORT"), staff(Role.SUPPORT)),
        Who("finance", await carrier.staff("FINANCE"), staff(Role.FINANCE)),
        Who("contact", await carrier.contact(customer), contact),
        Who("staff as contact", await as_contact(carrier, customer), acting),
        *[Who(f"key {scope}", await carrier.key(scope), key(scope, None)) for scope in Scope],
        *[
            Who(
                f"key {scope} of one customer",
                await carrier.key(scope, customer_id=customer),
                key(scope, of),
            )
            for scope in Scope
            if scope is not Scope.INGEST
        ],
        Who("nobody", Caller(carrier.url), None),
    ]


async def as_contact(carrier: Carrier, customer: str) -> Caller:
    """A session that names the staff member who started it."""
    caller = await carrier.contact(customer)
    session = await Session.filter(account_id=carrier.account_id).order_by("-id").first()
    assert session is not None
    staff = await Staff.filter(account_id=carrier.account_id).first()
    assert staff is not None
    await Session.filter(account_id=carrier.account_id, id=session.id).update(staff_id=staff.id)
    return caller


def some_days() -> tuple[datetime, datetime]:
    return days_ago(3), days_ago(0)
