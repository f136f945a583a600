import pytest

from domain.summaries.breakdowns import Destination


@pytest.mark.parametrize(
    ("key", "destination"),
    [
        ("prefix:44", Destination("CARD", "44")),
        ("prefix:", Destination("CARD")),
        ("switch", Destination("SWITCH")),
        ("waived", Destination("WAIVED")),
        ("unrated", Destination(None)),
    ],
)
def test_a_stored_destination_names_the_origin_of_its_charges(
    key: str, destination: Destination
) -> None:
    assert Destination.of(key) == destination
