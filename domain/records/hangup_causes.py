"""FreeSWITCH's names of hangup causes, as Q.850 causes and as SIP codes.

The SIP codes are those that mod_sofia sends for a cause (`hangup_cause_to_sip` in mod_sofia.c). A
cause above 127 is FreeSWITCH's own, for which FreeSWITCH itself reports Q.850 cause 16.
"""

NORMAL_CLEARING = "NORMAL_CLEARING"
NO_FAILURE = frozenset({"NONE", "SUCCESS"})  # of an offer that was answered

_Q850 = {
    "UNALLOCATED_NUMBER": 1,
    "NO_ROUTE_TRANSIT_NET": 2,
    "NO_ROUTE_DESTINATION": 3,
    "CHANNEL_UNACCEPTABLE": 6,
    "CALL_AWARDED_DELIVERED": 7,
    "NORMAL_CLEARING": 16,
    "USER_BUSY": 17,
    "NO_USER_RESPONSE": 18,
    "NO_ANSWER": 19,
    "SUBSCRIBER_ABSENT": 20,
    "CALL_REJECTED": 21,
    "NUMBER_CHANGED": 22,
    "REDIRECTION_TO_NEW_DESTINATION": 23,
    "EXCHANGE_ROUTING_ERROR": 25,
    "DESTINATION_OUT_OF_ORDER": 27,
    "INVALID_NUMBER_FORMAT": 28,
    "FACILITY_REJECTED": 29,
    "RESPONSE_TO_STATUS_ENQUIRY": 30,
    "NORMAL_UNSPECIFIED": 31,
    "NORMAL_CIRCUIT_CONGESTION": 34,
    "NETWORK_OUT_OF_ORDER": 38,
    "NORMAL_TEMPORARY_FAILURE": 41,
    "SWITCH_CONGESTION": 42,
    "ACCESS_INFO_DISCARDED": 43,
    "REQUESTED_CHAN_UNAVAIL": 44,
    "PRE_EMPTED": 45,
    "FACILITY_NOT_SUBSCRIBED": 50,
    "OUTGOING_CALL_BARRED": 52,
    "INCOMING_CALL_BARRED": 54,
    "BEARERCAPABILITY_NOTAUTH": 57,
    "BEARERCAPABILITY_NOTAVAIL": 58,
    "SERVICE_UNAVAILABLE": 63,
    "BEARERCAPABILITY_NOTIMPL": 65,
    "CHAN_NOT_IMPLEMENTED": 66,
    "FACILITY_NOT_IMPLEMENTED": 69,
    "SERVICE_NOT_IMPLEMENTED": 79,
    "INVALID_CALL_REFERENCE": 81,
    "INCOMPATIBLE_DESTINATION": 88,
    "INVALID_MSG_UNSPECIFIED": 95,
    "MANDATORY_IE_MISSING": 96,
    "MESSAGE_TYPE_NONEXIST": 97,
    "WRONG_MESSAGE": 98,
    "IE_NONEXIST": 99,
    "INVALID_IE_CONTENTS": 100,
    "WRONG_CALL_STATE": 101,
    "RECOVERY_ON_TIMER_EXPIRE": 102,
    "MANDATORY_IE_LENGTH_ERROR": 103,
    "PROTOCOL_ERROR": 111,
    "INTERWORKING": 127,
}
_SIP = {
    **dict.fromkeys(("UNALLOCATED_NUMBER", "NO_ROUTE_TRANSIT_NET", "NO_ROUTE_DESTINATION"), 404),
    "USER_BUSY": 486,
    "NO_USER_RESPONSE": 408,
    **dict.fromkeys(("CALL_REJECTED", "DECLINE", "REJECT_ALL"), 603),
    **dict.fromkeys(("NUMBER_CHANGED", "REDIRECTION_TO_NEW_DESTINATION"), 410),
    **dict.fromkeys(("DESTINATION_OUT_OF_ORDER", "INVALID_PROFILE"), 502),
    **dict.fromkeys(("INVALID_NUMBER_FORMAT", "INVALID_URL", "INVALID_GATEWAY"), 484),
    **dict.fromkeys(
        ("FACILITY_REJECTED", "FACILITY_NOT_IMPLEMENTED", "SERVICE_NOT_IMPLEMENTED"), 501
    ),
    **dict.fromkeys(
        (
            "REQUESTED_CHAN_UNAVAIL",
            "NORMAL_CIRCUIT_CONGESTION",
            "NETWORK_OUT_OF_ORDER",
            "NORMAL_TEMPORARY_FAILURE",
            "SWITCH_CONGESTION",
            "GATEWAY_DOWN",
            "BEARERCAPABILITY_NOTAVAIL",
        ),
        503,
    ),
    **dict.fromkeys(
        (
            "OUTGOING_CALL_BARRED",
            "INCOMING_CALL_BARRED",
            "BEARERCAPABILITY_NOTAUTH",
            "STALE_DATE",
        ),
        403,
    ),
    **dict.fromkeys(("BEARERCAPABILITY_NOTIMPL", "INCOMPATIBLE_DESTINATION"), 488),
    "RECOVERY_ON_TIMER_EXPIRE": 504,
    "EXCHANGE_ROUTING_ERROR": 483,
    "BUSY_EVERYWHERE": 600,
    "DOES_NOT_EXIST_ANYWHERE": 604,
    "NOT_ACCEPTABLE": 606,
    "UNWANTED": 607,
    "NO_IDENTITY": 428,
    "BAD_IDENTITY_INFO": 429,
    "UNSUPPORTED_CERTIFICATE": 437,
    "INVALID_IDENTITY": 438,
    # An offer that the switch cancels is not refused: the carrier answers 487 to the CANCEL.
    **dict.fromkeys(("ORIGINATOR_CANCEL", "LOSE_RACE"), 487),
}


def q850(cause: str) -> int:
    """The Q.850 cause, as FreeSWITCH computes `hangup_cause_q850`."""
    return _Q850.get(cause, 16)


def sip_code(cause: str) -> int:
    """The SIP code that mod_sofia sends for a call with this cause that was not answered."""
    return _SIP.get(cause, 480)
