"""The pages behind links: traces, injected scripts, embedding, contrast and accessibility."""

import re
from urllib.parse import urlsplit

import pytest

from tests.support.browser.chromium import Window
from tests.support.browser.pages import KINDS, LABEL, NO_LINK, SAID, Opened, link_of, use
from tests.support.browser.portal import Carrier

pytestmark = pytest.mark.browser

# Of each visible text: the contrast with its background (WCAG 2.2, 1.4.3), and the text.
CONTRASTS = """
const light = (color) => {
  const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  const { backgroundColor } = getComputedStyle(element);
  return backgroundColor === "rgba(0, 0, 0, 0)" ? behind(element.parentElement) : backgroundColor;
};
const contrast = (element) => {
  const pair = [light(getComputedStyle(element).color), light(behind(element))];
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
};
return [...document.querySelectorAll("h1, p, label, input, button")]
  .filter((element) => element.checkVisibility())
  .map((element) => [contrast(element), element.textContent]);"""
BACKGROUND = "return getComputedStyle(document.body).backgroundColor"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_used_link_leaves_no_trace_of_its_token(
    carrier: Carrier, window: Opened, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    _, link = await link_of(carrier, kind)
    token, bare = link.partition("=")[2], link.partition("?")[0]
    page = window()
    page.open(link)
    use(page, kind)
    assert page.driver.current_url == bare
    assert page.run("return document.body.innerHTML").count(token) == 0
    page.driver.refresh()
    assert NO_LINK in page.text
    page.open(carrier.portal.url + "/healthz")
    assert page.run("return document.referrer") == ""
    page.driver.back()
    assert page.driver.current_url == bare
    page.watch()
    with_token = {request.url for request in page.requests if token in request.url}
    assert with_token == {link}
    assert not [request for request in page.requests if token in str(request.headers)]
    output = capfd.readouterr()
    assert token not in output.out + output.err


@pytest.mark.parametrize("path", ["/invitation", "/reset-password", "/verify-email"])
async def test_an_injected_script_does_not_run(carrier: Carrier, window: Opened, path: str) -> None:
    page = window()
    page.open(f"{carrier.portal.url}{path}?token=\"'><script>window.hit = 1</script>#<img onerror=")
    page.run(
        """const told = [];
        document.addEventListener("securitypolicyviolation", (one) => told.push(one));
        const script = document.createElement("script");
        script.textContent = "window.hit = 1";
        const picture = document.createElement("img");
        picture.src = "https://evil.example/picture.png";
        const main = document.querySelector("main");
        main.append(script, picture);
        main.insertAdjacentHTML("beforeend", "<button onclick='window.hit = 1'>Press</button>");
        main.lastChild.click();
        await fetch("https://evil.example/").catch(() => {});
        while (told.length < 4) await new Promise((next) => setTimeout(next, 10));"""
    )
    assert page.run("return window.hit") is None
    assert page.blames("Content Security Policy")


async def test_other_sites_cannot_embed_a_page(carrier: Carrier, window: Opened) -> None:
    _, link = await carrier.verification()
    page, evil = window(), carrier.portal.at("evil.example")
    page.may_reach.add(urlsplit(evil).netloc)
    page.open(evil + "/healthz")
    page.run(
        """const frame = document.createElement("iframe");
        frame.src = given[0];
        document.body.append(frame);
        await new Promise((loaded) => { frame.onload = loaded; });""",
        link,
    )
    assert page.blames("frame-ancestors")


@pytest.mark.parametrize("kind", KINDS)
async def test_all_text_is_readable_in_light_and_dark_mode(
    carrier: Carrier, window: Opened, kind: str
) -> None:
    _, link = await link_of(carrier, kind)
    page = window()
    page.open(link)
    assert _unreadable(page) == []
    use(page, kind)
    assert _unreadable(page) == []
    page.open(link + "x")
    use(page, kind)
    assert _unreadable(page) == []


def _unreadable(page: Window) -> list[tuple[float, str]]:
    problems: list[tuple[float, str]] = []
    for dark in (False, True):
        page.looks(dark=dark)
        [shade, *_] = re.findall(r"\d+", page.run(BACKGROUND))
        assert (int(shade) < 64) == dark
        texts = page.run(CONTRASTS)
        assert len(texts) > 1
        problems += [(contrast, text) for contrast, text in texts if contrast < 4.5]
    return problems


@pytest.mark.parametrize("language", ["de", "es"])
@pytest.mark.parametrize("kind", KINDS)
async def test_no_page_is_wider_than_a_small_phone(
    carrier: Carrier, window: Opened, kind: str, language: str
) -> None:
    _, link = await link_of(carrier, kind, language)
    page = window(language)
    page.looks(width=360)
    for address in (link + "x", link):
        page.open(address)
        assert _width(page) == 360
        use(page, kind, language=language)
        assert _width(page) == 360


def _width(page: Window) -> int:
    assert page.run("return innerWidth") == 360
    return int(page.run("return document.documentElement.scrollWidth"))


@pytest.mark.parametrize("kind", KINDS)
async def test_every_field_has_a_name_for_screen_readers(
    carrier: Carrier, window: Opened, kind: str
) -> None:
    _, link = await link_of(carrier, kind)
    page = window()
    page.open(link)
    labels = [] if kind == "verification" else [LABEL["en"], "Show the password"]
    assert page.fields == labels
    assert page.buttons == [SAID[kind, "en"].button]
