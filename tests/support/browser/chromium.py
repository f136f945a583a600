"""Chromium driven by chromedriver: a window, its contents and the resources that it loaded."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

T = TypeVar("T")

_SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # which root has to do without
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    # Every name of the tests is this machine; nothing else is found.
    "--host-resolver-rules=MAP *.example 127.0.0.1, MAP * ~NOTFOUND,"
    " EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
_WITHIN = 10.0  # seconds until a page shows its result, or a script ends


@dataclass(frozen=True)
class Request:
    url: str
    headers: dict[str, str]

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


def start(languages: str) -> Chrome:
    """A browser whose user reads these languages."""
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for switch in _SWITCHES:
        options.add_argument(switch)
    options.add_experimental_option("prefs", {"intl.accept_languages": languages})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.accept_insecure_certs = True
    driver = shutil.which("chromedriver") or "chromedriver"
    chrome = Chrome(options=options, service=Service(driver))
    chrome.set_script_timeout(_WITHIN)
    return chrome


class Window:
    """The only one of a browser. `may_reach` are hosts with their ports."""

    def __init__(self, driver: Chrome, *hosts: str) -> None:
        self.driver = driver
        self.may_reach = set(hosts)
        self.requests: list[Request] = []
        self.faults: list[str] = []

    @classmethod
    def in_browser(cls, driver: Chrome, *hosts: str) -> Self:
        """With no cookie, and nothing of the window before it."""
        [before] = driver.window_handles
        driver.switch_to.new_window("tab")
        [after] = set(driver.window_handles) - {before}
        driver.switch_to.window(before)
        driver.close()
        driver.switch_to.window(after)
        driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        cls(driver).watch()
        return cls(driver, *hosts)

    # What a person does

    def open(self, url: str) -> None:
        self.driver.get(url)

    def press(self, *keys: str) -> None:
        """Types on the keyboard, into the focused element."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def fill(self, label: str, text: str) -> None:
        field = self.field(label)
        field.clear()
        field.send_keys(text)

    def click(self, name: str) -> None:
        self.button(name).click()

    # What a person sees

    @property
    def heading(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "h1").text

    @property
    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text

    def field(self, label: str) -> WebElement:
        """The one that a screen reader calls so."""
        [element] = [
            element for element in self._shown("input") if label in element.accessible_name
        ]
        return element

    def button(self, name: str) -> WebElement:
        [element] = [
            element for element in self._shown("button") if element.accessible_name == name
        ]
        return element

    def said(self) -> str:
        """The page's message about the result, as soon as it is shown."""
        return self.until(lambda: self.driver.find_element(By.CSS_SELECTOR, "[role=status]").text)

    @property
    def fields(self) -> list[str]:
        """The accessible names of the fields."""
        return [element.accessible_name for element in self._shown("input")]

    @property
    def buttons(self) -> list[str]:
        return [element.accessible_name for element in self._shown("button")]

    @property
    def focused(self) -> str:
        """The accessible name of the focused element."""
        return self.driver.switch_to.active_element.accessible_name

    def _shown(self, tag: str) -> list[WebElement]:
        return [
            element
            for element in self.driver.find_elements(By.TAG_NAME, tag)
            if element.is_displayed()
        ]

    def until(self, look: Callable[[], T]) -> T:
        """The result of `look`, as soon as there is one."""
        wait = WebDriverWait(
            self.driver, _WITHIN, 0.02, ignored_exceptions=[StaleElementReferenceException]
        )
        return wait.until(lambda _: look())

    # What a script of the page does

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of the body of an async function, or its error, as `Error: …`."""
        return self.driver.execute_async_script(
            "const given = [...arguments], done = given.pop();"
            f"(async (...given) => {{ {script} }})(...given)"
            ".then(done, (fault) => done(String(fault)));",
            *arguments,
        )

    # What a developer sees

    def switch(self, command: str, **parameters: Any) -> None:
        """A command of the DevTools protocol."""
        self.driver.execute_cdp_cmd(command, parameters)

    def looks(self, *, width: int = 900, dark: bool = False) -> None:
        """Sets the screen width, in CSS pixels, and the preferred color scheme."""
        self.switch(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=700,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.switch("Emulation.setEmulatedMedia", features=[scheme])

    def go_offline(self, offline: bool = True) -> None:
        self.switch(
            "Network.emulateNetworkConditions",
            offline=offline,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    def watch(self) -> None:
        """Reads the new log entries of the browser: its requests, and errors of the page."""
        urls: dict[str, str] = {}
        requests: list[tuple[str, dict[str, str]]] = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            params = message["params"]
            if message["method"] == "Network.requestWillBeSent":  # if nothing forbids it
                urls[params["requestId"]] = params["request"]["url"]
            if message["method"] == "Network.requestWillBeSentExtraInfo":
                requests.append((params["requestId"], params["headers"]))
        self.requests += [
            Request(urls.get(id) or f"//{headers['Host']}", headers) for id, headers in requests
        ]
        for entry in self.driver.get_log("browser"):
            is_hint = entry["level"] == "DEBUG"
            if not is_hint and "/favicon.ico" not in entry["message"]:  # the portal's own affair
                self.faults.append(entry["message"])

    def blames(self, *words: str) -> bool:
        """Whether each fault since is one with a word of these, and there is one; forgives them."""
        self.watch()
        faults, self.faults = self.faults, []
        return bool(faults) and all(any(word in fault for word in words) for fault in faults)
