from domain import turns


def waiting(*places: tuple[str, str]) -> turns.Turns[str]:
    """One runs; of each (group, member), in their order, one more waits."""
    full: turns.Turns[str] = turns.Turns(turns.Limits(total=1, group=1, member=1))
    assert full.begin(turns.Holder("at work"))
    for number, (group, member) in enumerate(places):
        full.wait(turns.Holder(group, member), f"{group} {member} {number}")
    return full


def test_a_group_with_fewer_waiting_operations_displaces_the_last_of_the_largest() -> None:
    full = waiting(("a", "x"), ("a", "y"), ("a", "x"), ("b", "x"))
    assert full.displace(turns.Holder("c", "x")) == "a x 2"
    assert full.displace(turns.Holder("c", "x")) in ("a x 0", "a y 1")
    assert full.displace(turns.Holder("c", "x")) is None, "each group has one"
    assert full.total() == 3


def test_a_group_cannot_displace_others_to_exceed_their_share() -> None:
    full = waiting(("a", "x"), ("a", "y"), ("b", "x"))
    assert full.displace(turns.Holder("b", "y")) is None


def test_within_a_group_a_member_displaces_one_that_has_two_more() -> None:
    full = waiting(("a", "x"), ("a", "x"), ("b", "x"))
    assert full.displace(turns.Holder("a", "x")) is None
    assert full.displace(turns.Holder("a", "y")) == "a x 1"


def test_an_empty_queue_displaces_nothing() -> None:
    assert waiting().displace(turns.Holder("a")) is None
