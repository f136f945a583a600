import pytest

from domain.numbering import number_ranges
from domain.refusals import Refusal
from models.numbering import sip_users as stored
from resolvers.numbering import sip_users
from tests.support.numbering.number_plan import NOW, REALM, NumberPlan, code, open_plan, rows_of


async def test_a_customer_with_blocks_can_use_only_numbers_of_its_blocks(plan: NumberPlan) -> None:
    acme, globex = plan.customers
    await plan.assign(globex)
    await plan.assign(acme)
    await plan.assign(acme, 9000)
    assert await plan.available(acme, 3) == [2000, 2001, 2002]
    assert await plan.available(acme, 3, after=2998) == [2999, 9000, 9001]
    assert await code(plan.create(acme, 2000)) == ""
    for number in (1000, 1999, 3000, 8999, 10000, 100000, 999):
        assert await code(plan.create(acme, number)) == "NUMBER_NOT_YOURS"


async def test_a_customer_without_blocks_can_use_numbers_outside_all_blocks(
    plan: NumberPlan,
) -> None:
    acme, globex = plan.customers
    await plan.assign(globex, 1002)
    assert await plan.available(acme, 4) == [1000, 1001, 2002, 2003]
    for number in (1002, 2001, 999, 100000):
        assert await code(plan.create(acme, number)) == "NUMBER_NOT_YOURS"
    assert await code(plan.create(acme, 2002)) == ""
    assert await plan.available(acme, 3) == [1000, 1001, 2003]


async def test_a_username_is_unique_in_the_account(plan: NumberPlan) -> None:
    acme, globex = plan.customers
    user = await plan.create(acme, 1000)
    for customer in (acme, globex):
        assert await code(plan.create(customer, 1000)) == "USERNAME_TAKEN"
    await plan.remove(user.id)
    assert (await plan.create(globex, 1000)).customer_id == globex
    assert await code(plan.remove(user.id)) == "NOT_FOUND"


async def test_usernames_can_be_searched_by_their_first_digits(plan: NumberPlan) -> None:
    acme, globex = plan.customers
    await plan.range(8, 12345, 10)
    for number in (9, 90, 91, 900):
        await plan.create(acme, number)
    assert await plan.available(acme, 4, prefix="9") == [92, 93, 94, 95]
    assert await plan.available(acme, 4, prefix="9", after=98) == [99, 901, 902, 903]
    assert await plan.available(acme, 4, prefix="1234") == [1234, 12340, 12341, 12342]
    assert await plan.available(acme, 4, prefix="1234", after=12344) == [12345]
    assert await plan.available(acme, 4, prefix="7777777") == []
    page = await sip_users.pages(plan.contact(acme), [acme], 9, "9", 2)
    assert [user.username for user in page[acme]] == ["90", "91"]
    assert await sip_users.pages(plan.contact(globex), [globex], None, "9", 2) == {globex: []}
    of_both = await sip_users.pages(plan.staff, [globex, acme], None, "9", 3)
    assert [user.username for user in of_both[acme]] == ["9", "90", "91"]
    assert of_both[globex] == []


async def test_exactly_the_available_usernames_can_be_created(plan: NumberPlan) -> None:
    acme, globex = plan.customers
    await plan.range(10, 40, 5)
    await plan.assign(globex, 12)
    for number in (10, 25, 26, 40):
        await plan.create(acme, number)
    free = await plan.available(acme, 100)
    assert free == [11, *range(17, 25), *range(27, 40)]
    for number in range(9, 42):
        assert (await code(plan.create(acme, number)) == "") == (number in free)
    assert await plan.available(acme, 100) == []


async def test_only_digests_of_a_secret_are_stored(plan: NumberPlan) -> None:
    acme, _ = plan.customers
    user_row = await sip_users.create(
        plan.contact(acme),
        acme,
        "1000",
        realm=REALM,
        display_name="Front desk",
        secret=None,
        now=NOW,
    )
    credentials = await stored.credentials(plan.account_id, "1000")
    assert credentials is not None
    assert credentials.digests == number_ranges.digests("1000", REALM, user_row.secret)
    for table in ("sip_users", "audit_log"):
        [row] = await rows_of(
            f"SELECT string_agg(t::text, '') AS text FROM {table} t WHERE account_id = $1",
            plan.account_id,
        )
        assert "1000" in row["text"]
        assert user_row.secret not in row["text"]


async def test_a_new_secret_invalidates_the_old_one(plan: NumberPlan) -> None:
    acme, _ = plan.customers
    user = await plan.create(acme, 1000, "the first secret".replace(" ", "-"))
    again = await sip_users.reset_secret(plan.contact(acme), user.id, "other.example", None, NOW)
    credentials = await stored.credentials(plan.account_id, "1000")
    assert credentials is not None
    assert credentials.digests == number_ranges.digests("1000", "other.example", again.secret)
    assert again.user.realm == "other.example"


@pytest.mark.parametrize("subject", ["user", "customer"])
async def test_an_inactive_sip_user_cannot_sign_in(plan: NumberPlan, subject: str) -> None:
    acme, _ = plan.customers
    user = await plan.create(acme, 1000)
    who = plan.contact(acme)
    if subject == "user":
        await sip_users.update(who, user.id, None, number_ranges.Status.DISABLED, NOW)
    else:
        await rows_of("UPDATE customers SET status = 'SUSPENDED' WHERE id = $1", acme)
    assert await stored.credentials(plan.account_id, "1000") is None


async def test_only_the_fields_of_a_sip_user_that_are_set_change(plan: NumberPlan) -> None:
    acme, _ = plan.customers
    user, who = await plan.create(acme, 1000), plan.contact(acme)
    renamed = await sip_users.update(who, user.id, " Front desk ", None, NOW)
    assert (renamed.display_name, renamed.status) == ("Front desk", "ACTIVE")
    off = await sip_users.update(who, user.id, None, number_ranges.Status.DISABLED, NOW)
    assert (off.display_name, off.status) == ("Front desk", "DISABLED")
    unnamed = await sip_users.update(who, user.id, "", None, NOW)
    assert (unnamed.display_name, unnamed.status) == (None, "DISABLED")


async def test_a_contact_cannot_change_the_sip_users_of_another_customer(plan: NumberPlan) -> None:
    acme, globex = plan.customers
    user, who = await plan.create(globex, 1000), plan.contact(acme)
    other = await open_plan()
    for caller in (who, other.staff):
        doings = [
            sip_users.reset_secret(caller, user.id, REALM, None, NOW),
            sip_users.update(caller, user.id, "Mine", None, NOW),
            sip_users.remove(caller, user.id, NOW),
        ]
        assert [await code(doing) for doing in doings] == ["NOT_FOUND"] * 3
        assert await sip_users.find(caller, user.id) is None
    with pytest.raises(Refusal) as error:
        await sip_users.create(
            who, globex, "1001", realm=REALM, display_name=None, secret=None, now=NOW
        )
    assert error.value.code == "NOT_FOUND"
