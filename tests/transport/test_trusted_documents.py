"""Trusted documents: read at start, requested by id."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from domain import refusals
from runtime.settings import Settings, SettingsError
from server import app
from server.graphql import trusted
from tests.support.programs import Program

TEXT = "query Q { viewer { __typename } }"
ACCEPTED = {"Accept": "application/graphql-response+json"}
ID = "5f3c" * 16


def _manifest(folder: Path, value: Any) -> Path:
    path = folder / "documents.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def _refusal_code(documents: trusted.Documents, query: str | None, id: str | None) -> str:
    with pytest.raises(refusals.Refusal) as error:
        documents.resolve(query, id)
    return error.value.code


@pytest.mark.parametrize("stored_id", [ID, f"sha256:{ID}"])
@pytest.mark.parametrize("request_id", [ID, f"sha256:{ID}"])
def test_a_document_is_found_by_its_id_in_either_form(
    tmp_path: Path, stored_id: str, request_id: str
) -> None:
    documents = trusted.load(_manifest(tmp_path, {stored_id: TEXT}))
    assert documents.resolve(None, request_id) == TEXT
    assert len(documents) == 1


def test_a_request_names_exactly_one_known_document(tmp_path: Path) -> None:
    documents = trusted.load(_manifest(tmp_path, {ID: TEXT}))
    assert documents.resolve("{ __typename }", None) == "{ __typename }"
    assert _refusal_code(documents, TEXT, ID) == "BAD_REQUEST"
    assert _refusal_code(documents, None, None) == "BAD_REQUEST"
    assert _refusal_code(documents, None, "other") == "DOCUMENT_UNKNOWN"


def test_without_a_manifest_no_id_is_known() -> None:
    assert trusted.load(None).resolve(TEXT, None) == TEXT
    assert _refusal_code(trusted.load(None), None, ID) == "DOCUMENT_UNKNOWN"


def test_if_only_trusted_documents_are_allowed_their_text_is_also_refused(tmp_path: Path) -> None:
    documents = trusted.load(_manifest(tmp_path, {ID: TEXT}), only=True)
    assert documents.resolve(None, ID) == TEXT
    assert _refusal_code(documents, TEXT, None) == "DOCUMENTS_ONLY"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ([TEXT], "not a JSON object"),
        ({ID: 1}, "not a JSON object"),
        ({ID: "{ nothing }"}, f"document {ID}"),
        ({ID: "{"}, f"document {ID}"),
        ({ID: "{" + "viewer { __typename } " * 200 + "}"}, "802 tokens"),
    ],
)
def test_an_invalid_manifest_is_refused_at_start_with_the_reason(
    tmp_path: Path, value: Any, reason: str
) -> None:
    settings = Settings(documents=_manifest(tmp_path, value))
    with pytest.raises(SettingsError, match=reason):
        app.create_app(settings)


async def test_a_server_of_trusted_documents_runs_only_them(
    services: Any, api_database: str, tmp_path: Path
) -> None:
    environment = {
        "CALLBOARD_DATABASE_URL": api_database,
        "CALLBOARD_REDIS_URL": services.redis_url,
        "CALLBOARD_SECRET_KEY": "a key for tests alone, long enough to sign with",
        "CALLBOARD_DOCUMENTS": str(_manifest(tmp_path, {ID: "query T { __typename }"})),
        "CALLBOARD_DOCUMENTS_ONLY": "true",
    }
    with Program.web(environment) as program:
        for body, code in [
            ({"documentId": f"sha256:{ID}"}, "Query"),
            ({"query": "query T { __typename }"}, "DOCUMENTS_ONLY"),
            ({"documentId": "other"}, "DOCUMENT_UNKNOWN"),
            ({"documentId": ID, "query": TEXT}, "BAD_REQUEST"),
            ({}, "BAD_REQUEST"),
        ]:
            for answer in (await _post(program.url, body), await _get(program.url, body)):
                assert answer.status_code == (200 if code == "Query" else 400)
                assert code in answer.text


async def _post(url: str, body: dict[str, str]) -> httpx2.Response:
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        return await client.post(f"{url}/graphql", json=body, headers=ACCEPTED)


async def _get(url: str, params: dict[str, str]) -> httpx2.Response:
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        return await client.get(f"{url}/graphql", params=params, headers=ACCEPTED)


def test_a_missing_manifest_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        trusted.load(tmp_path / "none.json")
    with pytest.raises(SettingsError, match="CALLBOARD_DOCUMENTS_ONLY needs"):
        trusted.load(None, only=True)
