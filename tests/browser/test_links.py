"""The pages behind the links of mails: each use of a link, in each language."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Keys

from domain.identity import address_proofs
from runtime import clock
from tests.support.browser import portal as portals
from tests.support.browser.pages import (
    BAD,
    KINDS,
    LABEL,
    NEW,
    NO_LINK,
    NOT_GOOD,
    SAID,
    VERIFIED,
    Opened,
    link_of,
    use,
)
from tests.support.browser.portal import PASSWORD, Carrier

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", ["en", "de", "es"])
@pytest.mark.parametrize("kind", KINDS)
async def test_the_button_of_a_page_uses_its_link_and_shows_the_next_step(
    carrier: Carrier, window: Opened, kind: str, language: str
) -> None:
    email, link = await link_of(carrier, kind, language)
    page, texts = window(language), SAID[kind, language]
    page.open(link)
    assert page.run("return document.documentElement.lang") == language
    assert page.heading == page.driver.title == texts.heading
    assert use(page, kind, language=language) == texts.done
    assert not page.buttons
    password = PASSWORD if kind == "verification" else NEW
    assert await carrier.portal.signs_in(email, password)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_used_link_shows_its_result_and_no_button(
    carrier: Carrier, window: Opened, kind: str
) -> None:
    email, link = await link_of(carrier, kind)
    page = window()
    page.open(link)
    use(page, kind)
    page.open(link)
    assert use(page, kind) == (VERIFIED if kind == "verification" else NOT_GOOD)
    assert not page.buttons
    assert await carrier.portal.signs_in(email, PASSWORD if kind == "verification" else NEW)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_expired_or_invalid_link_is_reported(
    carrier: Carrier, window: Opened, kind: str
) -> None:
    email, link = await link_of(carrier, kind)
    await portals.expire(email)
    page, texts = window(), BAD if kind == "verification" else NOT_GOOD
    purpose = address_proofs.Purpose(urlsplit(link).path.strip("/").replace("-", "_").upper())
    old = address_proofs.sign(
        portals.SECRET_KEY, purpose, address_proofs.Link(1, 1), clock.now() - timedelta(seconds=1)
    )
    address = link.partition("=")[0]
    for url in (
        link,
        link[:-1],
        f"{address}={old}",
        f"{address}=%00%FF",
        f"{address}=" + "x" * 5_000,
    ):
        page.open(url)
        assert use(page, kind) == texts, url
        assert not page.buttons


@pytest.mark.parametrize("path", ["/invitation", "/reset-password", "/verify-email"])
async def test_a_page_opened_without_its_link_asks_for_the_link(
    carrier: Carrier, window: Opened, path: str
) -> None:
    page = window()
    for query in ("", "?token=", "?other=1"):
        page.open(carrier.portal.url + path + query)
        assert NO_LINK in page.text
        assert not page.buttons


async def test_opening_a_link_does_not_use_it(carrier: Carrier, window: Opened) -> None:
    _, link = await carrier.verification()
    page = window()
    for _ in range(3):
        page.open(link)
    assert use(page, "verification") == SAID["verification", "en"].done


async def test_a_refused_password_can_be_corrected_on_the_page(
    carrier: Carrier, window: Opened
) -> None:
    email, link = await carrier.invitation()
    page = window()
    page.open(link)
    assert (
        use(page, "invitation", email)
        == "The password must differ from the e-mail address. Set another password."
    )
    assert LABEL["en"] in page.focused
    assert use(page, "invitation") == SAID["invitation", "en"].done
    assert await carrier.portal.signs_in(email, NEW)


async def test_the_page_does_not_send_a_password_that_is_too_short(
    carrier: Carrier, window: Opened
) -> None:
    _, link = await carrier.invitation()
    page = window()
    page.open(link)
    page.fill(LABEL["en"], "too short")
    page.click("Accept the invitation")
    assert page.run("return document.querySelector('input:invalid').name") == "password"
    page.watch()
    assert not [request for request in page.requests if request.url.endswith("/graphql")]


async def test_if_the_server_is_unreachable_the_page_advises_to_try_again(
    carrier: Carrier, window: Opened
) -> None:
    _, link = await carrier.verification()
    page = window()
    page.open(link)
    page.go_offline()
    assert use(page, "verification") == "The server did not respond. Try again in a minute."
    assert page.blames("ERR_INTERNET_DISCONNECTED")
    page.go_offline(False)
    page.click(SAID["verification", "en"].button)
    message = SAID["verification", "en"].done
    assert page.until(lambda: page.said() == message)


async def test_a_page_works_with_only_the_keyboard(carrier: Carrier, window: Opened) -> None:
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
async def test_a_browser_without_javascript_shows_instructions(
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
