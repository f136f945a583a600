import pytest

from tests.support.api.callers import Carrier

SWITCHES = "{ switches { reference timeZone leaseSeconds snapshotWantedSince snapshotReason } }"
FIELDS = "reference timeZone leaseSeconds"


async def test_staff_set_the_zone_and_lease_of_a_switch_before_or_after_it_reports(
    carrier: Carrier,
) -> None:
    for zone, lease in [("Asia/Kathmandu", 3600), (None, 14_400)]:
        settings = {"reference": "edge-1", "timeZone": zone, "leaseSeconds": lease}
        switch = await carrier.owner.do("configureSwitch", "Switch", FIELDS, **settings)
        assert switch == settings | {"__typename": "Switch"}
        assert (await carrier.owner.ask(SWITCHES))["switches"] == [
            settings | {"snapshotWantedSince": None, "snapshotReason": None}
        ]


async def test_staff_set_how_a_switch_writes_numbers(carrier: Carrier) -> None:
    fields = "countryCode nationalPrefix internationalPrefix"
    usual = {"countryCode": None, "nationalPrefix": "0", "internationalPrefix": "00"}
    american = {"countryCode": "1", "nationalPrefix": "1", "internationalPrefix": "011"}
    for settings, result in [({}, usual), (american, american)]:
        switch = await carrier.owner.do(
            "configureSwitch", "Switch", fields, reference="edge-1", **settings
        )
        assert switch == result | {"__typename": "Switch"}
        query = f"{{ switches {{ {fields} }} }}"
        assert (await carrier.owner.ask(query))["switches"] == [result]


async def test_staff_set_the_channel_variables_of_a_switch(carrier: Carrier) -> None:
    fields = "customerVariable carrierVariable offersVariable"
    usual = {
        "customerVariable": "accountcode",
        "carrierVariable": "carrier",
        "offersVariable": "originated_legs",
    }
    own = {"customerVariable": "tenant", "carrierVariable": "route", "offersVariable": "offers"}
    for settings, result in [({}, usual), (own, own)]:
        switch = await carrier.owner.do(
            "configureSwitch", "Switch", fields, reference="edge-1", **settings
        )
        assert switch == result | {"__typename": "Switch"}
        query = f"{{ switches {{ {fields} }} }}"
        assert (await carrier.owner.ask(query))["switches"] == [result]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"timeZone": "Mars/Olympus"}, "BAD_TIME_ZONE"),
        ({"leaseSeconds": 59}, "BAD_LEASE"),
        ({"leaseSeconds": 604_801}, "BAD_LEASE"),
        ({"reference": ""}, "INVALID"),
        ({"countryCode": "0044"}, "BAD_NUMBERING"),
        ({"nationalPrefix": "x"}, "BAD_NUMBERING"),
        ({"internationalPrefix": ""}, "BAD_NUMBERING"),
        ({"customerVariable": ""}, "BAD_VARIABLE"),
        ({"carrierVariable": "a b"}, "BAD_VARIABLE"),
        ({"offersVariable": "x" * 101}, "BAD_VARIABLE"),
    ],
)
async def test_invalid_settings_are_refused(
    carrier: Carrier, wrong: dict[str, object], code: str
) -> None:
    settings = {"reference": "edge-1"} | wrong
    answer = await carrier.owner.do("configureSwitch", "Switch", FIELDS, **settings)
    assert answer["code"] == code
