"""The pages behind links: texts, loaded resources, and that opening a page has no effect."""

import re

import graphql
import httpx2
import pytest

from schema import root
from server import pages
from server.graphql import trusted
from tests.support.api.callers import Carrier
from tests.support.programs import Program

PATHS = ["/verify-email", "/reset-password", "/invitation"]


async def get(api: Program, path: str, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=60) as browser:
        return await browser.get(f"{api.url}{path}?token=a.b.c", headers=headers)


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_runs_its_own_script_and_nothing_else(api: Program, path: str) -> None:
    answer = await get(api, path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    [nonce] = set(re.findall(r"'nonce-([\w-]+)'", policy))
    assert answer.text.count(f'nonce="{nonce}"') == 2
    assert nonce not in (await get(api, path)).text
    assert not re.search(r"(?:src|href)=|https?://|url\(|@import", answer.text)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "a.b.c" not in answer.text


async def test_the_pages_that_set_a_password_have_a_password_field(api: Program) -> None:
    asks = ['name="password"' in (await get(api, path)).text for path in PATHS]
    assert asks == [False, True, True]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr, es;q=0.5, en;q=0.4", "es"),
        ("en;q=0.1, de ; q=0.3", "de"),
        ("de;q=0", "en"),
        ("*", "en"),
        ("x" * 10_000, "en"),
        ("de;q=nonsense", "en"),
    ],
)
async def test_a_page_is_in_the_language_that_the_browser_prefers(
    api: Program, header: str, language: str
) -> None:
    answer = await get(api, "/verify-email", **{"Accept-Language": header})
    assert f'<html lang="{language}">' in answer.text


def test_the_document_of_the_verification_page_is_valid() -> None:
    document = pages.PAGES[pages.Kind.VERIFY_EMAIL].document
    assert graphql.validate(root.api._schema, graphql.parse(document)) == []


def test_callboard_pages_work_if_only_trusted_documents_are_allowed() -> None:
    documents = trusted.Documents({}, only=True, own=pages.DOCUMENTS)
    for page in pages.PAGES.values():
        assert documents.resolve(page.document, None) == page.document
    with pytest.raises(Exception, match="only trusted documents"):
        documents.resolve("{ viewer { __typename } }", None)


async def test_a_post_to_a_page_is_refused(api: Program, carrier: Carrier) -> None:
    async with httpx2.AsyncClient(timeout=60) as browser:
        assert (await browser.post(f"{api.url}/verify-email")).status_code == 405
