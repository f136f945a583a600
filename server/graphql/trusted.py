"""Trusted documents: those of a manifest, requested by id. A setting refuses all others."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from graphql import GraphQLError

from domain import refusals
from domain.identity import callers
from domain.messaging import texts
from runtime.settings import SettingsError
from schema import root
from schema.engine import errors
from schema.engine.documents import limits, parsing

_HASH = "sha256:"  # some clients prefix ids with this


class ManifestError(SettingsError):
    """A manifest that cannot be used, with the problem and the remedy."""


class Documents:
    """Trusted documents by their ids. `only` refuses others except Callboard's `own`."""

    def __init__(
        self, by_id: Mapping[str, str], *, only: bool = False, own: Collection[str] = ()
    ) -> None:
        self.only = only
        self._own = frozenset(own)
        self._by_id = {id.removeprefix(_HASH): text for id, text in by_id.items()}

    def __len__(self) -> int:
        return len(self._by_id)

    def resolve(self, query: str | None, document_id: str | None) -> str:
        """The document of a request. Refuses BAD_REQUEST, DOCUMENT_UNKNOWN, DOCUMENTS_ONLY."""
        if document_id is not None:
            if query is not None:
                raise refusals.Refusal(
                    "BAD_REQUEST", "Send either a `query` or a `documentId`, not both."
                )
            return self._find(document_id)
        if query is None:
            raise refusals.Refusal("BAD_REQUEST", "Send a `query` or a `documentId`.")
        if self.only and query not in self._own:
            raise refusals.Refusal(
                "DOCUMENTS_ONLY",
                "This server runs only trusted documents. Send the `documentId` of one, and no"
                " `query`.",
                "query",
            )
        return query

    def _find(self, document_id: str) -> str:
        text = self._by_id.get(document_id.removeprefix(_HASH))
        if text is None:
            raise refusals.Refusal(
                "DOCUMENT_UNKNOWN",
                "This server has no document with this id. Send it as `query`, or add it to the"
                " server's manifest (CALLBOARD_DOCUMENTS).",
                "documentId",
            )
        return text


def load(path: Path | None, *, only: bool = False, own: Collection[str] = ()) -> Documents:
    """The documents of a manifest, all validated; raises `ManifestError`."""
    if path is None:
        if only:
            raise ManifestError(
                "CALLBOARD_DOCUMENTS_ONLY needs a manifest: name it in CALLBOARD_DOCUMENTS"
            )
        return Documents({})
    by_id = _read(path)
    for id, text in by_id.items():
        _require_valid(path, id, text)
    return Documents(by_id, only=only, own=own)


def _read(path: Path) -> dict[str, str]:
    try:
        value: Any = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ManifestError(f"CALLBOARD_DOCUMENTS: {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _invalid_manifest(path) from error
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _invalid_manifest(path)
    return value


def _invalid_manifest(path: Path) -> ManifestError:
    return ManifestError(
        f"CALLBOARD_DOCUMENTS: {path} is not a JSON object of documents by their ids."
        " Generate it again with the client's code generator"
    )


def _require_valid(path: Path, id: str, text: str) -> None:
    try:
        faults = root.api.faults(parsing.parsed(text, limits.LIMITS[callers.Kind.STAFF]))
    except GraphQLError as error:
        faults = [error]
    if faults:
        reason = errors.to_client(faults[0], texts.DEFAULT).message
        raise ManifestError(
            f"CALLBOARD_DOCUMENTS: document {id} of {path} cannot be run: {reason}"
            " Fix the client's document and generate the manifest again"
        )
