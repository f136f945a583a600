"""The page at `/`, and the documentation that it links to."""

import re

import httpx2
import pytest

from runtime.settings import ROOT
from tests.support.programs import Program


async def get(api: Program, path: str, language: str = "en") -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=60) as client:
        return await client.get(api.url + path, headers={"Accept-Language": language})


async def test_the_page_introduces_callboard_and_links_to_graphiql_and_the_documentation(
    api: Program,
) -> None:
    answer = await get(api, "/")
    assert answer.status_code == 200
    assert "backend of a voice carrier&#x27;s customer portal" in answer.text
    links = re.findall(r'href="([^"]+)"', answer.text)
    documents = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    assert links == ["graphql", *(f"docs/{name}" for name in documents)]
    for link in links:
        assert (await get(api, f"/{link}")).status_code in (200, 400)


@pytest.mark.parametrize(("language", "text"), [("de", "Kundenportals"), ("es", "portal de")])
async def test_the_page_is_in_the_language_of_the_browser(
    api: Program, language: str, text: str
) -> None:
    answer = await get(api, "/", language)
    assert f'<html lang="{language}">' in answer.text
    assert text in answer.text


async def test_the_page_can_load_no_external_resource(api: Program) -> None:
    answer = await get(api, "/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'nonce-")
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"<script|src=|https?://", answer.text)


async def test_a_document_is_plain_text(api: Program) -> None:
    for name in ("live.md", "decisions/0002-rebuild-never-increment.md"):
        answer = await get(api, f"/docs/{name}")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.text == (ROOT / "docs" / name).read_text()


@pytest.mark.parametrize("name", ["", "none.md", "../README.md", "%2e%2e/pyproject.toml"])
async def test_no_file_outside_the_documentation_is_served(api: Program, name: str) -> None:
    assert (await get(api, f"/docs/{name}")).status_code == 404
