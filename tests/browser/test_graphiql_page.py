"""GraphiQL in a browser that reaches no other host: queries, subscriptions, the schema."""

from typing import Any

import pytest
from selenium.webdriver.common.by import By

from tests.support.browser.chromium import Window
from tests.support.browser.pages import Opened
from tests.support.browser.portal import Carrier
from tests.support.browser.signing_in import signed_in

pytestmark = pytest.mark.browser

EDIT = """
document.querySelector(given[0] + " .CodeMirror").CodeMirror.setValue(given[1]);"""
SHOWN = """
const editor = document.querySelector(".result-window .CodeMirror");
return editor ? editor.CodeMirror.getValue() : "";"""
HEADERS = ".graphiql-editor-tool .graphiql-editor:not(.hidden)"
QUERY = "query { viewer { __typename } }"
LIVE = "subscription { liveChannels { inUse } }"


def is_ready(page: Window) -> bool:
    return bool(page.driver.find_elements(By.CSS_SELECTOR, ".graphiql-query-editor .CodeMirror"))


def open_page(page: Window, carrier: Carrier) -> None:
    page.open(carrier.portal.url + "/graphql")
    assert page.until(lambda: is_ready(page))


def press(page: Window, label: str) -> None:
    page.until(lambda: page.driver.find_element(By.CSS_SELECTOR, f'[aria-label="{label}"]')).click()


def run(page: Window, query: str, text: str) -> None:
    """Runs the query with the button, and waits for the text in the result."""
    page.run(EDIT, ".graphiql-query-editor", query)
    press(page, "Execute query (Ctrl-Enter)")
    assert page.until(lambda: text in page.run(SHOWN))


def test_a_signed_in_person_runs_queries_and_subscriptions_and_reads_the_schema(
    carrier: Carrier, window: Opened
) -> None:
    page = window()
    signed_in(page, carrier)
    open_page(page, carrier)
    run(page, QUERY, '"__typename": "Staff"')
    run(page, LIVE, '"inUse": 0')
    press(page, "Stop query (Ctrl-Enter)")
    run(page, QUERY, '"__typename": "Staff"')

    press(page, "Show Documentation Explorer")
    explorer = page.until(lambda: page.driver.find_element(By.CLASS_NAME, "graphiql-doc-explorer"))
    page.until(lambda: explorer.find_element(By.LINK_TEXT, "Query")).click()
    assert page.until(lambda: "viewer" in explorer.text)

    press(page, "Open settings dialog")
    assert page.until(lambda: "Persist headers" in page.text)


def test_a_token_in_the_headers_works_without_a_session(carrier: Carrier, window: Opened) -> None:
    page = window()
    open_page(page, carrier)
    run(page, QUERY, "UNAUTHENTICATED")
    page.driver.find_element(By.XPATH, "//button[text()='Headers']").click()
    headers = f'{{"Authorization": "Bearer {carrier.token}"}}'
    page.run(EDIT, HEADERS, headers)
    run(page, QUERY, '"__typename": "Staff"')
    run(page, LIVE, '"inUse": 0')


def test_the_content_security_policy_blocks_other_scripts_and_hosts(
    carrier: Carrier, window: Opened
) -> None:
    page = window()
    signed_in(page, carrier)
    open_page(page, carrier)
    blocked: Any = page.run(
        """const blocked = [];
        document.addEventListener("securitypolicyviolation", (violation) =>
          blocked.push(violation.effectiveDirective));
        const script = document.createElement("script");
        script.textContent = "window.hit = 1";
        document.body.append(script);
        await fetch("https://evil.example/").catch(() => {});
        while (blocked.length < 2) await new Promise((next) => setTimeout(next, 10));
        return [...blocked, typeof window.hit];"""
    )
    assert sorted(blocked) == ["connect-src", "script-src-elem", "undefined"]
    assert page.blames("Content Security Policy")


def test_the_home_page_links_to_graphiql_and_the_documentation(
    carrier: Carrier, window: Opened
) -> None:
    page = window()
    signed_in(page, carrier)
    page.open(carrier.portal.url + "/")
    assert page.heading == "Callboard"
    page.driver.find_element(By.LINK_TEXT, "Signing in").click()
    assert "# Signing in" in page.until(lambda: page.text)
    page.driver.back()
    page.driver.find_element(By.LINK_TEXT, "Try the API in GraphiQL").click()
    assert page.until(lambda: is_ready(page))
