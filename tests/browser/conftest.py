"""One installation for all browser tests; each test has its own account and windows."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any

import pytest
from selenium.webdriver import Chrome

from tests.support import databases, redises
from tests.support.browser import chromium
from tests.support.browser import portal as portals
from tests.support.browser.chromium import Window
from tests.support.browser.portal import Carrier, Portal

_numbers = count(2)


@pytest.fixture(scope="package")
async def portal(
    services: Any, browser_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Portal]:
    environment = {
        "CALLBOARD_DATABASE_URL": browser_database,
        "CALLBOARD_REDIS_URL": services.redis_url,
        "CALLBOARD_SECRET_KEY": portals.SECRET_KEY,
    }
    async with (
        redises.empty_redis(services.redis_url),
        portals.running(environment, tmp_path_factory.mktemp("front")) as portal,
    ):
        yield portal


@pytest.fixture(scope="package")
async def browser_database(services: Any, template: str) -> AsyncIterator[str]:
    name = f"callboard_browser_{os.getpid()}"
    async with databases.open_copy(services.database_url, name, template) as url:
        yield url


@pytest.fixture(scope="package")
async def account(portal: Portal) -> Carrier:
    return await Carrier.create(portal)


@pytest.fixture
def carrier(account: Carrier) -> Carrier:
    """The account; its people have a different address in every test."""
    account.portal.front.move(f"127.0.0.{next(_numbers)}")
    return account


@pytest.fixture(scope="package")
def chromiums() -> Iterator[dict[str, Chrome]]:
    """Those that run, by the languages of their users."""
    browsers: dict[str, Chrome] = {}
    try:
        yield browsers
    finally:
        for driver in browsers.values():
            driver.quit()


@pytest.fixture
def window(carrier: Carrier, chromiums: dict[str, Chrome]) -> Iterator[Callable[..., Window]]:
    """Opens a window. At the end, it must have requested no other host, and logged no error."""
    windows: list[Window] = []

    def open_window(languages: str = "en") -> Window:
        if languages not in chromiums:
            chromiums[languages] = chromium.start(languages)
        windows.append(Window.in_browser(chromiums[languages], carrier.portal.host))
        return windows[-1]

    yield open_window
    for each in windows:
        each.watch()
        assert {request.host for request in each.requests} <= each.may_reach
        assert each.faults == []
