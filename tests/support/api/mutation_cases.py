"""How the tests call each mutation. Its permission is declared on the mutation itself."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from runtime import clock


@dataclass(frozen=True)
class Case:
    """`audited`: the action in the audit log, or (after "not:") why there is none. `later_codes`:
    refusals of callers that may call it. `input`: besides what the input requires, or in its place.
    `ends_session`: its caller has to sign in again. `undone`: why it succeeds for no caller of
    these tests; otherwise it has to succeed for at least one."""

    audited: str
    later_codes: Set[str] = frozenset()
    input: Mapping[str, Any] = field(default_factory=dict)
    ends_session: bool = False
    undone: str = ""


CASES: Mapping[str, Case] = {
    "login": Case(
        audited="session.begin",
        later_codes={"WRONG_CREDENTIALS"},
        undone="everybody here has done it before",
    ),
    "logout": Case(audited="session.end", ends_session=True),
    "logoutEverywhere": Case(audited="session.end_all", ends_session=True),
    "endSession": Case(
        audited="not: nobody here has that session",
        later_codes={"NOT_FOUND"},
        undone="nobody here has that session",
    ),
    "signInAs": Case(audited="session.begin"),
    "changePassword": Case(
        audited="password.change",
        input={"current": "correct horse battery", "new": "correct horse battery"},
        ends_session=True,
    ),
    "requestPasswordReset": Case(audited="not: nothing is changed by it"),
    "resetPassword": Case(
        audited="not: it asks for a link of a mail",
        later_codes={"LINK_NOT_GOOD"},
        undone="it asks for a link of a mail",
    ),
    "acceptInvitation": Case(
        audited="not: it asks for a link of a mail",
        later_codes={"LINK_NOT_GOOD"},
        undone="it asks for a link of a mail",
    ),
    "verifyEmail": Case(
        audited="not: it asks for a link of a mail",
        later_codes={"BAD_LINK"},
        undone="it asks for a link of a mail",
    ),
    "requestEmailVerification": Case(
        audited="contact.request_verify_email", later_codes={"TOO_SOON"}
    ),
    "requestMobileVerification": Case(
        audited="contact.request_verify_mobile", later_codes={"TOO_SOON"}
    ),
    "verifyMobile": Case(
        audited="not: nobody here reads the code",
        later_codes={"NO_CODE", "WRONG_CODE"},
        undone="nobody here reads the code",
    ),
    "enableTwoFactor": Case(audited="not: it is in force when it is confirmed"),
    "confirmTwoFactor": Case(
        audited="not: no app here tells a code",
        later_codes={"NO_TWO_FACTOR", "WRONG_OTP"},
        undone="no app here tells a code",
    ),
    "disableTwoFactor": Case(
        audited="not: nobody here has one",
        later_codes={"NO_TWO_FACTOR"},
        undone="nobody here has one",
    ),
    "regenerateRecoveryCodes": Case(
        audited="not: nobody here has one",
        later_codes={"NO_TWO_FACTOR"},
        undone="nobody here has one",
    ),
    "removeTwoFactor": Case(
        audited="not: nobody here has one",
        later_codes={"NO_TWO_FACTOR"},
        undone="nobody here has one",
    ),
    "setAllowedNetworks": Case(audited="contact.networks", later_codes={"FORBIDDEN", "NOT_FOUND"}),
    "snoozeChecklistItem": Case(
        audited="checklist.snooze",
        input={"code": "VERIFY_MOBILE", "until": (clock.now() + timedelta(days=30)).isoformat()},
    ),
    "unsnoozeChecklistItem": Case(audited="checklist.unsnooze"),
    "setNumberRange": Case(audited="number_range.set", later_codes={"RANGE_IN_USE"}),
    "assignNumberBlock": Case(audited="number_block.assign"),
    "freeNumberBlock": Case(
        audited="not: the block there is has SIP users",
        later_codes={"BLOCK_IN_USE"},
        undone="the block there is has SIP users",
    ),
    "createSipUser": Case(
        audited="sip_user.create",
        later_codes={"INVALID", "NUMBER_NOT_YOURS", "USERNAME_TAKEN"},
        input={"customerId": "own"},
    ),
    "updateSipUser": Case(audited="sip_user.update", input={"displayName": "unique"}),
    "resetSipUserSecret": Case(audited="sip_user.reset_secret"),
    "removeSipUser": Case(audited="sip_user.remove", later_codes={"NOT_FOUND"}),
    "createCustomer": Case(audited="customer.create"),
    "updateCustomer": Case(audited="customer.update", input={"taxNumber": "unique"}),
    "createContact": Case(audited="contact.create"),
    "updateContact": Case(audited="contact.update", input={"notes": "unique"}),
    "disableContact": Case(audited="contact.disable"),
    "enableContact": Case(audited="contact.enable"),
    "resendInvitation": Case(
        audited="contact.invite", later_codes={"INVITED_JUST_NOW", "LOGIN_DISABLED"}
    ),
    "createCarrier": Case(audited="carrier.create"),
    "updateCarrier": Case(audited="carrier.update", input={"name": "unique"}),
    "configureSwitch": Case(audited="switch.configure"),
    "replayQuarantined": Case(audited="quarantine.replay"),
    "discardQuarantined": Case(audited="not: what there is has been replayed by then"),
    "acceptHeld": Case(audited="held.accept"),
    "discardHeld": Case(audited="not: what there is has been accepted by then"),
    "rateCalls": Case(audited="not: every call here has a rate"),
    "waiveCalls": Case(
        audited="not: every call here has a rate",
        later_codes={"CHANGED_MEANWHILE"},
        undone="it expects another number of calls than there are",
    ),
    "unwaiveCalls": Case(
        audited="not: every call here has a rate",
        later_codes={"CHANGED_MEANWHILE"},
        undone="it expects another number of calls than there are",
    ),
    "createRateCard": Case(audited="card.create"),
    "addRates": Case(audited="card.rates"),
    "assignRateCard": Case(audited="card.assign"),
    "createStaff": Case(audited="staff.create"),
    "updateStaff": Case(audited="staff.update", input={"name": "unique"}),
    "disableStaff": Case(audited="staff.disable"),
    "enableStaff": Case(audited="staff.enable"),
    "createApiKey": Case(audited="key.create"),
    "rotateApiKey": Case(audited="key.rotate"),
    "revokeApiKey": Case(audited="key.revoke"),
    "updateAccount": Case(audited="account.update", input={"name": "unique"}),
    "createAlertRule": Case(audited="alert_rule.create", input={"sampleMinutes": 5}),
    "updateAlertRule": Case(
        audited="alert_rule.update", later_codes={"NOT_FOUND"}, input={"title": "unique"}
    ),
    "testAlertRule": Case(audited="alert_rule.test", later_codes={"NOT_FOUND"}),
    "removeAlertRule": Case(audited="alert_rule.remove", later_codes={"NOT_FOUND"}),
    "updateProfile": Case(audited="contact.update", input={"name": "unique"}),
    "setTimeZone": Case(audited="contact.update"),
    "setLanguage": Case(audited="contact.update"),
    "generateInvoice": Case(
        audited="invoice.made",
        later_codes={"HOURS_ALREADY_INVOICED"},
        input={"customerId": "own"},
        undone="the row there is has been invoiced; another is, for the audit log",
    ),
    "issueInvoice": Case(
        audited="invoice.issued",
        later_codes={"NOT_A_DRAFT"},
        undone="the invoice there is has been issued; another is, for the audit log",
    ),
    "discardDraft": Case(
        audited="invoice.discarded",
        later_codes={"NOT_A_DRAFT"},
        undone="the invoice there is has been issued; another is, for the audit log",
    ),
}
