"""What a person sees who opens a link of a mail: each use of it, in each language."""

from datetime import timedelta
from urllib.parse import urlsplit

import portal as portals
import pytest
from pages import BAD, KINDS, LABEL, NEW, NO_LINK, NOT_GOOD, SAID, Opened, link_of, use
from portal import PASSWORD, Carrier
from selenium.webdriver import Keys

from domain import proofs
from runtime import clock

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", ["en", "de", "es"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_link_is_used_by_the_button_of_its_page_which_says_what_next(
    carrier: Carrier, window: Opened, kind: str, language: str
) -> None:
    email, link = await link_of(carrier, kind, language)
    page, said = window(language), SAID[kind, language]
    page.open(link)
    assert page.run("return document.documentElement.lang") == language
    assert page.heading == page.driver.title == said.heading
    assert use(page, kind, language=language) == said.done
    assert not page.buttons
    password = PASSWORD if kind == "verification" else NEW
    assert await carrier.portal.signs_in(email, password)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_link_that_was_used_says_so(carrier: Carrier, window: Opened, kind: str) -> None:
    _, link = await link_of(carrier, kind)
    page = window()
    page.open(link)
    use(page, kind)
    page.open(link)
    said = "This is verified already; all is done." if kind == "verification" else NOT_GOOD
    assert use(page, kind) == said
    assert not page.buttons


@pytest.mark.parametrize("kind", KINDS)
async def test_a_link_that_is_too_old_or_wrong_says_so(
    carrier: Carrier, window: Opened, kind: str
) -> None:
    email, link = await link_of(carrier, kind)
    await portals.expire(email)
    page, said = window(), BAD if kind == "verification" else NOT_GOOD
    purpose = proofs.Purpose(urlsplit(link).path.strip("/").replace("-", "_").upper())
    old = proofs.sign(
        portals.SECRET_KEY, purpose, proofs.Link(1, 1), clock.now() - timedelta(seconds=1)
    )
    address = link.partition("=")[0]
    for one in (
        link,
        link[:-1],
        f"{address}={old}",
        f"{address}=%00%FF",
        f"{address}=" + "x" * 5_000,
    ):
        page.open(one)
        assert use(page, kind) == said, one
        assert not page.buttons


@pytest.mark.parametrize("path", ["/invitation", "/reset-password", "/verify-email"])
async def test_a_page_without_its_link_says_what_to_open(
    carrier: Carrier, window: Opened, path: str
) -> None:
    page = window()
    for query in ("", "?token=", "?other=1"):
        page.open(carrier.portal.url + path + query)
        assert NO_LINK in page.text
        assert not page.buttons


async def test_opening_a_link_uses_nothing_up(carrier: Carrier, window: Opened) -> None:
    _, link = await carrier.verification()
    page = window()
    for _ in range(3):
        page.open(link)
    assert use(page, "verification") == SAID["verification", "en"].done


async def test_a_password_that_is_refused_can_be_mended_on_the_page(
    carrier: Carrier, window: Opened
) -> None:
    email, link = await carrier.invitation()
    page = window()
    page.open(link)
    assert use(page, "invitation", email) == "Give a password other than the e-mail address."
    assert LABEL["en"] in page.focused
    assert use(page, "invitation") == SAID["invitation", "en"].done
    assert await carrier.portal.signs_in(email, NEW)


async def test_a_password_too_short_is_not_even_sent(carrier: Carrier, window: Opened) -> None:
    _, link = await carrier.invitation()
    page = window()
    page.open(link)
    page.fill(LABEL["en"], "too short")
    page.click("Accept the invitation")
    assert page.run("return document.querySelector('input:invalid').name") == "password"
    page.watch()
    assert not [one for one in page.requests if one.url.endswith("/graphql")]


async def test_where_the_server_cannot_be_reached_the_page_says_to_try_again(
    carrier: Carrier, window: Opened
) -> None:
    _, link = await carrier.verification()
    page = window()
    page.open(link)
    page.go_offline()
    assert use(page, "verification") == "That did not work; try again in a minute."
    assert page.blames("ERR_INTERNET_DISCONNECTED")
    page.go_offline(False)
    page.click(SAID["verification", "en"].button)
    done = SAID["verification", "en"].done
    assert page.until(lambda: page.said() == done)


async def test_a_page_is_used_by_keyboard_alone(carrier: Carrier, window: Opened) -> None:
    email, link = await carrier.reset()
    page = window()
    page.open(link)
    page.press(Keys.TAB)
    assert LABEL["en"] in page.focused
    page.press(NEW, Keys.TAB)
    assert page.focused == "Show the password"
    page.press(Keys.SPACE)
    assert page.field(LABEL["en"]).get_attribute("type") == "text"
    page.press(Keys.SPACE)
    assert page.field(LABEL["en"]).get_attribute("type") == "password"
    page.press(Keys.TAB)
    assert page.focused == "Set the password"
    page.press(Keys.ENTER)
    assert page.said() == SAID["reset", "en"].done
    assert await carrier.portal.signs_in(email, NEW)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_browser_without_javascript_is_told_what_to_do(
    carrier: Carrier, window: Opened, kind: str
) -> None:
    _, link = await link_of(carrier, kind)
    page = window()
    page.switch("Emulation.setScriptExecutionDisabled", value=True)
    page.open(link)
    assert "This page needs JavaScript" in page.text
    assert not page.buttons
    page.switch("Emulation.setScriptExecutionDisabled", value=False)
    page.open(link)
    assert "JavaScript" not in page.text
    assert use(page, kind) == SAID[kind, "en"].done
