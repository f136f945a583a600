"""Who may ask and do what: a line for every field, mutation and subscription of the SDL.

A new field, mutation or subscription needs its name here; `test_who_may.py` says which are missing
and asks each as everybody. Who has a capability stands in `resolvers/access.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from domain import callers
from resolvers import access
from resolvers.access import Capability
from runtime import clock

C = Capability


@dataclass(frozen=True)
class Line:
    """`capability` None: signed in is enough. `account`: whoever sees one customer is refused,
    where it names none. `persons`: keys are refused. `itself`: staff signed in as
    the contact too. `public`: nobody need sign in."""

    capability: C | None = None
    account: bool = False
    persons: bool = False
    itself: bool = False
    public: bool = False

    def allows(self, who: callers.Caller | None, *, names_customer: bool = False) -> bool:
        if self.public:
            return True
        if who is None:
            return False
        if self.capability is not None and not access.may(who, self.capability):
            return False
        if self.account and who.customer_id is not None and not names_customer:
            return False
        if self.itself and who.staff_id is not None:
            return False
        return not (self.persons and who.kind is callers.Kind.KEY)


ANYBODY = Line()

QUERY: Mapping[str, Line] = {
    "viewer": ANYBODY,
    "languages": Line(public=True),
    "sessions": Line(persons=True, itself=True),
    "twoFactor": Line(persons=True, itself=True),
    "apiKeys": Line(C.MANAGE_STAFF, account=True),
    "node": ANYBODY,  # by the kind of the id: OBJECTS
    "customer": Line(C.SEE_CUSTOMERS),
    "customers": Line(C.SEE_CUSTOMERS),
    "carriers": Line(C.SEE_LIVE, account=True),
    "contacts": Line(C.SEE_CONTACTS),
    "staff": Line(C.SEE_STAFF, account=True),
    "auditLog": Line(C.SEE_AUDIT, account=True),
    "alertRule": Line(C.SEE_ALERTS),
    "alertRules": Line(C.SEE_ALERTS),
    "alerts": Line(C.SEE_ALERTS),
    "invoice": Line(C.SEE_BILLING),
    "invoices": Line(C.SEE_BILLING),
    "reconciliation": Line(C.SEE_BILLING),
    "summaryCells": Line(C.SEE_STATS),
    "switches": Line(C.MANAGE_CARRIERS, account=True),
    "quarantine": Line(C.REVIEW_RECORDS, account=True),
    "heldRecords": Line(C.REVIEW_RECORDS, account=True),
    "unratedCalls": Line(C.RATE_CALLS, account=True),
    "rateCard": Line(C.MANAGE_CARRIERS, account=True),
}

# What has an id that `node` finds: who is shown one at all.
OBJECTS: Mapping[str, Line] = {
    "Account": Line(account=True),
    "AccountSummaryRow": Line(C.SEE_STATS, account=True),
    "AlertRule": Line(C.SEE_ALERTS),
    "ApiKey": Line(C.SEE_STAFF),
    "Carrier": Line(C.SEE_LIVE),
    "Contact": Line(C.SEE_CONTACTS),
    "Customer": Line(C.SEE_CUSTOMERS),
    "Invoice": Line(C.SEE_BILLING),
    "NumberBlock": Line(C.SEE_NUMBERS),
    "SipUser": Line(C.SEE_NUMBERS),
    "Staff": Line(C.SEE_STAFF),
    "SummaryRow": Line(C.SEE_STATS),
}

# The fields of each type, and what they need besides being shown the object. "": nothing.
FIELDS: Mapping[str, Mapping[str, C | None]] = {
    "Account": {
        "id name hideCarriers invoiceGrouping language version": None,
        "channels liveStats": C.SEE_LIVE,
        "stats summary": C.SEE_STATS,
        "customers checklist": C.SEE_CUSTOMERS,
        "numberRange numberBlocks sipUsers": C.SEE_NUMBERS,
    },
    "AccountSummaryRow": {
        "id periodStart periodEnd open version attempts answered asr acdSeconds talkSeconds"
        " talkTime billedSeconds charges": None,
    },
    "AlertRule": {
        "id title metric scope customer carrier operator sampleMinutes minimumSample"
        " coolDownSeconds repeatSeconds level raisedAt createdAt removedAt version threshold"
        " resetThreshold": None,
        "recipients webhookSecret": C.MANAGE_ALERTS,
    },
    "ApiKey": {
        "id name scopes prefix createdAt expiresAt lastUsedAt revokedAt account restrictedTo": None
    },
    "Carrier": {"id reference name": None, "currency sipUri version": C.SEE_COST},
    "Contact": {
        "id name language timeZone version createdAt timeZoneNow loginStatus email emailVerifiedAt"
        " mobile mobileVerifiedAt department phone notes customer allowedNetworks": None,
    },
    "Customer": {
        "id reference name currency status channelLimit taxPercent paymentUrl legalName street"
        " postalCode city country taxNumber billingEmail phone website language paymentDays"
        " version createdAt checklist": None,
        "balance debitLimit": C.SEE_BILLING,
        "channels liveStats": C.SEE_LIVE,
        "stats summary": C.SEE_STATS,
        "auditLog": C.SEE_AUDIT,
        "numberBlocks availableUsernames sipUsers": C.SEE_NUMBERS,
    },
    "Invoice": {
        "id kind status number granularity periodStart periodEnd createdAt issuedAt currency"
        " subtotal taxPercent tax rounding total contentHash lines customer": None,
    },
    "NumberBlock": {"id first last size assignedAt used free customer": None},
    "SipUser": {"id username realm displayName status createdAt secret customer": None},
    "Staff": {
        "id name language timeZone version createdAt timeZoneNow loginStatus role email"
        " emailVerifiedAt mobile mobileVerifiedAt account": None,
    },
    "SummaryRow": {
        "id periodStart periodEnd open version attempts answered asr acdSeconds talkSeconds"
        " talkTime billedSeconds charge": None,
        "invoice": C.SEE_BILLING,
    },
}

# Parts: shown whole to whoever is shown what they are a part of.
PARTS: Mapping[str, str] = {
    "AccountSummaryConnection": "asOf billable edges pageInfo",
    "Alert": "id rule raisedAt raisedValue clearedAt clearedValue",
    "AlertEvent": "number at rule kind value",
    "AlertRecipient": "channel to language",
    "AuditChange": "field before after",
    "AuditEntry": "id at action actorKind actorId subjectKind subjectId customerId address"
    " changeCount actorName actingStaffName changes",
    "CallRecord": "switch callId leg revision final source destination setupAt answerAt endAt"
    " talkTime sipCode releasedBy billedSeconds ratedBy customer carrier charge cost",
    "CallSums": "calls charge",
    "CarrierChannels": "carrier inUse",
    "CarrierStats": "carrier points",
    "Channels": "sequence asOf inUse limit cps byCarrier",
    "ChargeSum": "charge",
    "Checklist": "items outstanding snoozed",
    "ChecklistChange": "number at customerId outstanding",
    "ChecklistItem": "code title detail action where mayWait snoozedUntil",
    "CodeCount": "code attempts",
    "HeldRecord": "id switch callId leg state receivedAt held counts",
    "InvoiceIssued": "number at invoice",
    "InvoiceLine": "kind description periodStart periodEnd calls billedSeconds amount",
    "Language": "code name",
    "Rate": "prefix description perMinute connectFee minimum increment roundUpSeconds revision"
    " effectiveFrom",
    "RateCard": "id version name currency revisions rates",
    "RateCardRevision": "number effectiveFrom rates createdAt",
    "LegStats": "offered answered pddMs",
    "LiveStats": "sequence asOf windowSeconds attempts answered asr acdSeconds pddMs cps",
    "Money": "amount currency",
    "NumberRange": "start end blockSize size assigned used free",
    "OpenSession": "id createdAt lastUsedAt expiresAt endsAt address userAgent current startedBy",
    "PageInfo": "hasNextPage endCursor",
    "PendingHour": "hour reason",
    "QuarantinedRecord": "id payload code message field switch state receivedAt lastReceivedAt"
    " timesReceived",
    "Reconciliation": "balanced records rows ledger invoiced pending differences frozenHours",
    "ReconciliationDifference": "hour detail",
    "Stats": "timeZone total byCarrier codes ner",
    "StatsPoint": "at attempts answered asr acdSeconds dtmfPercent pddMs channelsMax cps legs",
    "SummaryCells": "count sum cellAverage weightedAverage",
    "SummaryConnection": "asOf billable edges pageInfo",
    "Switch": "reference timeZone leaseSeconds firstSeenAt snapshotWantedSince snapshotReason",
    "TwoFactor": "enabledAt recoveryCodesLeft",
    "ZoneNow": "offsetMinutes abbreviation",
}
# What mutations alone answer, and refusals: shown to whoever did it.
ANSWERS: Mapping[str, str] = {
    "AlertRuleTested": "rule sentTo",
    "Conflict": "code message field",
    "CreatedApiKey": "id secret key",
    "DecidedRecord": "record code message",
    "DecidedRecords": "records",
    "DiscardedRecords": "records",
    "InvalidInput": "code message field",
    "Invitation": "email",
    "LoggedOut": "at",
    "NotFound": "code message field",
    "NotPermitted": "code message field",
    "PasswordChanged": "at",
    "Profile": "viewer",
    "RateCardAssignment": "customerId rateCardId validFrom",
    "RatedCalls": "calls charge left goOnFrom",
    "RecoveryCodes": "codes",
    "ReplayedRecord": "record outcome code message",
    "ReplayedRecords": "records",
    "ResetRequested": "at",
    "Session": "token expiresAt endsAt",
    "TwoFactorDisabled": "at",
    "TwoFactorSetup": "secret uri qr",
    "VerificationRequested": "sentTo expiresAt againAt",
    "Verified": "address at",
    "UnwaivedCalls": "calls",
    "WaivedCalls": "calls",
}


@dataclass(frozen=True)
class Doing(Line):
    """`audited`: the action in the audit log, or (after "not:") why there is none. `behind`: codes
    that come after it was looked who may. `give`: what is given besides what the input asks for, or
    in its place. `ends_session`: whoever does it has to sign in again. `undone`: why nobody gets it
    done here; else somebody who may has to."""

    audited: str = ""
    behind: frozenset[str] = frozenset()
    give: Mapping[str, Any] = field(default_factory=dict)
    ends_session: bool = False
    undone: str = ""


def _person(give: Mapping[str, Any] | None = None, audited: str = "contact.update") -> Doing:
    """What people do with their own profile."""
    return Doing(persons=True, audited=audited, give=give or {})


def _self(
    *codes: str,
    audited: str = "",
    undone: str = "",
    give: Mapping[str, Any] | None = None,
    ends_session: bool = False,
) -> Doing:
    """What a person does for itself alone; what is left undone is in the tests of its own."""
    return Doing(
        persons=True,
        itself=True,
        behind=frozenset(codes),
        audited=audited or f"not: {undone}",
        undone=undone,
        give=give or {},
        ends_session=ends_session,
    )


def _by_link(*codes: str) -> Doing:
    why = "it asks for a link of a mail"
    return Doing(public=True, behind=frozenset(codes), audited=f"not: {why}", undone=why)


MUTATIONS: Mapping[str, Doing] = {
    "login": Doing(
        public=True,
        behind=frozenset({"WRONG_CREDENTIALS"}),
        audited="session.begin",
        undone="everybody here has done it before",
    ),
    "logout": Doing(
        persons=True,
        ends_session=True,
        audited="session.end",
    ),
    "logoutEverywhere": Doing(
        persons=True, itself=True, ends_session=True, audited="session.end_all"
    ),
    "endSession": _self("NOT_FOUND", undone="nobody here has that session"),
    "signInAs": Doing(C.SIGN_IN_AS, account=True, audited="session.begin"),
    "changePassword": _self(
        audited="password.change",
        give={"current": "correct horse battery", "new": "correct horse battery"},
        ends_session=True,  # those the person began as a contact
    ),
    "requestPasswordReset": Doing(public=True, audited="not: nothing is changed by it"),
    "resetPassword": _by_link("LINK_NOT_GOOD"),
    "acceptInvitation": _by_link("LINK_NOT_GOOD"),
    "verifyEmail": _by_link("BAD_LINK"),
    "requestEmailVerification": _self("TOO_SOON", audited="contact.request_verify_email"),
    "requestMobileVerification": _self("TOO_SOON", audited="contact.request_verify_mobile"),
    "verifyMobile": _self("NO_CODE", "WRONG_CODE", undone="nobody here reads the code"),
    "enableTwoFactor": _self(audited="not: it is in force when it is confirmed"),
    "confirmTwoFactor": _self("NO_TWO_FACTOR", "WRONG_OTP", undone="no app here tells a code"),
    "disableTwoFactor": _self("NO_TWO_FACTOR", undone="nobody here has one"),
    "regenerateRecoveryCodes": _self("NO_TWO_FACTOR", undone="nobody here has one"),
    "removeTwoFactor": Doing(
        C.MANAGE_CUSTOMERS,
        account=True,
        behind=frozenset({"NO_TWO_FACTOR"}),
        audited="not: nobody here has one",
        undone="nobody here has one",
    ),
    "setAllowedNetworks": _self("NOT_FOUND", "FORBIDDEN", audited="contact.networks"),
    "snoozeChecklistItem": _person(
        {"code": "VERIFY_MOBILE", "until": (clock.now() + timedelta(days=30)).isoformat()},
        audited="checklist.snooze",
    ),
    "unsnoozeChecklistItem": Doing(persons=True, audited="checklist.unsnooze"),
    "setNumberRange": Doing(
        C.ASSIGN_NUMBERS,
        account=True,
        audited="number_range.set",
        behind=frozenset({"RANGE_IN_USE"}),
    ),
    "assignNumberBlock": Doing(C.ASSIGN_NUMBERS, account=True, audited="number_block.assign"),
    "freeNumberBlock": Doing(
        C.ASSIGN_NUMBERS,
        account=True,
        audited="not: the block there is has SIP users",
        undone="the block there is has SIP users",
        behind=frozenset({"BLOCK_IN_USE"}),
    ),
    "createSipUser": Doing(
        C.USE_NUMBERS,
        audited="sip_user.create",
        behind=frozenset({"NUMBER_NOT_YOURS", "USERNAME_TAKEN", "INVALID"}),
    ),
    "updateSipUser": Doing(
        C.USE_NUMBERS, audited="sip_user.update", give={"displayName": "unique"}
    ),
    "resetSipUserSecret": Doing(C.USE_NUMBERS, audited="sip_user.reset_secret"),
    "removeSipUser": Doing(
        C.USE_NUMBERS, audited="sip_user.remove", behind=frozenset({"NOT_FOUND"})
    ),
    "createCustomer": Doing(C.MANAGE_CUSTOMERS, account=True, audited="customer.create"),
    "updateCustomer": Doing(
        C.MANAGE_CUSTOMERS, account=True, audited="customer.update", give={"taxNumber": "unique"}
    ),
    "createContact": Doing(C.MANAGE_CUSTOMERS, account=True, audited="contact.create"),
    "updateContact": Doing(
        C.MANAGE_CUSTOMERS, account=True, audited="contact.update", give={"notes": "unique"}
    ),
    "disableContact": Doing(C.MANAGE_CUSTOMERS, account=True, audited="contact.disable"),
    "enableContact": Doing(C.MANAGE_CUSTOMERS, account=True, audited="contact.enable"),
    "resendInvitation": Doing(
        C.MANAGE_CUSTOMERS,
        account=True,
        audited="contact.invite",
        behind=frozenset({"INVITED_JUST_NOW", "LOGIN_DISABLED"}),
    ),
    "createCarrier": Doing(C.MANAGE_CARRIERS, account=True, audited="carrier.create"),
    "updateCarrier": Doing(
        C.MANAGE_CARRIERS, account=True, audited="carrier.update", give={"name": "unique"}
    ),
    "configureSwitch": Doing(C.MANAGE_CARRIERS, account=True, audited="switch.configure"),
    "replayQuarantined": Doing(C.REVIEW_RECORDS, account=True, audited="quarantine.replay"),
    "discardQuarantined": Doing(
        C.REVIEW_RECORDS, account=True, audited="not: what there is has been replayed by then"
    ),
    "acceptHeld": Doing(C.REVIEW_RECORDS, account=True, audited="held.accept"),
    "discardHeld": Doing(
        C.REVIEW_RECORDS, account=True, audited="not: what there is has been accepted by then"
    ),
    "rateCalls": Doing(C.RATE_CALLS, account=True, audited="not: every call here has a rate"),
    "waiveCalls": Doing(
        C.RATE_CALLS,
        account=True,
        audited="not: every call here has a rate",
        behind=frozenset({"CHANGED_MEANWHILE"}),
        undone="it expects another number of calls than there are",
    ),
    "unwaiveCalls": Doing(
        C.RATE_CALLS,
        account=True,
        audited="not: every call here has a rate",
        behind=frozenset({"CHANGED_MEANWHILE"}),
        undone="it expects another number of calls than there are",
    ),
    "createRateCard": Doing(C.MANAGE_CARRIERS, account=True, audited="card.create"),
    "addRates": Doing(C.MANAGE_CARRIERS, account=True, audited="card.rates"),
    "assignRateCard": Doing(C.MANAGE_CARRIERS, account=True, audited="card.assign"),
    "createStaff": Doing(C.MANAGE_STAFF, account=True, audited="staff.create"),
    "updateStaff": Doing(
        C.MANAGE_STAFF, account=True, audited="staff.update", give={"name": "unique"}
    ),
    "disableStaff": Doing(C.MANAGE_STAFF, account=True, audited="staff.disable"),
    "enableStaff": Doing(C.MANAGE_STAFF, account=True, audited="staff.enable"),
    "createApiKey": Doing(C.MANAGE_STAFF, account=True, audited="key.create"),
    "revokeApiKey": Doing(C.MANAGE_STAFF, account=True, audited="key.revoke"),
    "updateAccount": Doing(
        C.MANAGE_ACCOUNT, account=True, audited="account.update", give={"name": "unique"}
    ),
    "createAlertRule": Doing(
        C.MANAGE_ALERTS, account=True, audited="alert_rule.create", give={"sampleMinutes": 5}
    ),
    "updateAlertRule": Doing(
        C.MANAGE_ALERTS,
        account=True,
        audited="alert_rule.update",
        give={"title": "unique"},
        behind=frozenset({"NOT_FOUND"}),
    ),
    "testAlertRule": Doing(
        C.MANAGE_ALERTS,
        account=True,
        audited="alert_rule.test",
        behind=frozenset({"NOT_FOUND"}),
    ),
    "removeAlertRule": Doing(
        C.MANAGE_ALERTS,
        account=True,
        audited="alert_rule.remove",
        behind=frozenset({"NOT_FOUND"}),
    ),
    "updateProfile": _person({"name": "unique"}),
    "setTimeZone": _person(),
    "setLanguage": _person(),
    "generateInvoice": Doing(
        C.INVOICE,
        audited="invoice.made",
        behind=frozenset({"HOURS_ALREADY_INVOICED"}),
        undone="the row there is has been invoiced; another is, for the audit log",
    ),
    "issueInvoice": Doing(
        C.INVOICE,
        audited="invoice.issued",
        behind=frozenset({"NOT_A_DRAFT"}),
        undone="the invoice there is has been issued; another is, for the audit log",
    ),
    "discardDraft": Doing(
        C.INVOICE,
        audited="invoice.discarded",
        behind=frozenset({"NOT_A_DRAFT"}),
        undone="the invoice there is has been issued; another is, for the audit log",
    ),
}

SUBSCRIPTIONS: Mapping[str, Line] = {
    "liveChannels": Line(C.SEE_LIVE, account=True),
    "liveStats": Line(C.SEE_LIVE, account=True),
    "summaryUpdated": Line(C.SEE_STATS),
    "invoiceIssued": Line(C.SEE_BILLING),
    "checklistChanged": Line(C.SEE_CUSTOMERS),
    "alertEvents": Line(C.SEE_ALERTS),
}

# What an argument or an input's field of type ID names: by its place, else by its name.
KINDS: Mapping[str, str] = {
    "actor": "Staff",
    "carrierId": "Carrier",
    "carrierIds": "Carrier",
    "contactId": "Contact",
    "customerId": "Customer",
    "invoiceId": "Invoice",
    "personId": "Contact",
    "rateCardId": "RateCard",
    "ruleId": "AlertRule",
    "rowIds": "SummaryRow",
    "staffId": "Staff",
    "alertRule.id": "AlertRule",
    "customer.id": "Customer",
    "invoice.id": "Invoice",
    "rateCard.id": "RateCard",
    "node.id": "Customer",
    "revokeApiKey.id": "ApiKey",
    "endSession.id": "Session",
    "freeNumberBlock.id": "NumberBlock",
    "removeAlertRule.id": "AlertRule",
    "testAlertRule.id": "AlertRule",
    "removeSipUser.id": "SipUser",
    "resetSipUserSecret.id": "SipUser",
    "updateSipUser.id": "SipUser",
    "acceptHeld.ids": "HeldRecord",
    "discardHeld.ids": "HeldRecord",
    "discardQuarantined.ids": "QuarantinedRecord",
    "replayQuarantined.ids": "QuarantinedRecord",
}
# What is given for an argument or an input's field, by its name; "unique": another each time.
VALUES: Mapping[str, Any] = {
    "blockSize": 100,
    "currency": "EUR",
    "end": 99_999,
    "start": 1_000,
    "networks": ["192.0.2.0/24"],
    "username": "1001",
    "email": "unique",
    "first": 1,
    "granularity": "DAILY",
    "idempotencyKey": "unique",
    "interval": "DAY",
    "language": "de",
    "metric": "ASR",
    "name": "unique",
    "new": "another horse battery",
    "password": "correct horse battery",
    "prefix": "44",
    "reference": "unique",
    "role": "SUPPORT",
    "scopes": ["LIVE_READ"],
    "timeZone": "Europe/Berlin",
}
