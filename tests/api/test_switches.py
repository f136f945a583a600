import pytest
from callers import Carrier

SWITCHES = "{ switches { reference timeZone leaseSeconds snapshotWantedSince snapshotReason } }"
FIELDS = "reference timeZone leaseSeconds"


async def test_staff_set_a_switchs_zone_and_lease_before_or_after_it_reports(
    carrier: Carrier,
) -> None:
    for zone, lease in [("Asia/Kathmandu", 3600), (None, 14_400)]:
        settings = {"reference": "edge-1", "timeZone": zone, "leaseSeconds": lease}
        made = await carrier.owner.do("configureSwitch", "Switch", FIELDS, **settings)
        assert made == settings | {"__typename": "Switch"}
        assert (await carrier.owner.ask(SWITCHES))["switches"] == [
            settings | {"snapshotWantedSince": None, "snapshotReason": None}
        ]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"timeZone": "Mars/Olympus"}, "BAD_TIME_ZONE"),
        ({"leaseSeconds": 59}, "BAD_LEASE"),
        ({"leaseSeconds": 604_801}, "BAD_LEASE"),
        ({"reference": ""}, "INVALID"),
    ],
)
async def test_settings_that_cannot_be_are_refused(
    carrier: Carrier, wrong: dict[str, object], code: str
) -> None:
    settings = {"reference": "edge-1"} | wrong
    made = await carrier.owner.do("configureSwitch", "Switch", FIELDS, **settings)
    assert made["code"] == code
