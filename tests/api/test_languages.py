"""Everybody is told everything in one's own language, however it is asked for."""

import json
from typing import Any

import httpx2
import pytest
from callers import Caller, Carrier, sign_in
from programs import Program
from sockets import hear, say, signed_in, subscribe

from domain import texts
from models.tables import Account, Staff

CHECKLIST = "{ viewer { ... on Contact { customer { checklist { items { title detail } } } } } }"
LIVE = "subscription { liveChannels { inUse } }"
# As it is said to a contact that asks for the live picture of the whole account.
OWN_ONLY = {
    "en": "You may see live channels of your own customer only; name it.",
    "de": "Die Berechtigung „Aktive Kanäle einsehen“ haben Sie nur für Ihren eigenen Kunden; geben"
    " Sie ihn an.",
    "es": "Su permiso para ver los canales activos solo vale para su propio cliente; indíquelo.",
}


async def _german(carrier: Carrier) -> Caller:
    return await carrier.contact(
        await carrier.customer(), language="de", timeZone="Europe/Berlin", mobile="+441632960000"
    )


async def message(caller: Caller, query: str, **variables: Any) -> str:
    """Of an answer's one error."""
    [error] = (await caller.send(query, **variables))["errors"]
    said: str = error["message"]
    return said


async def test_everybody_is_told_which_languages_there_are(carrier: Carrier) -> None:
    for caller in (Caller(carrier.url), carrier.owner):
        assert await caller.ask("{ languages { code name } }") == {
            "languages": [
                {"code": "en", "name": "English"},
                {"code": "de", "name": "Deutsch"},
                {"code": "es", "name": "Español"},
            ]
        }


@pytest.mark.parametrize("language", ["pt-BR", "fr", "DE", "de-AT", ""])
async def test_a_language_there_is_not_is_refused_with_those_there_are(
    carrier: Carrier, language: str
) -> None:
    made = await carrier.owner.do(
        "createContact",
        "Contact",
        "id",
        customerId=await carrier.customer(),
        name="A person",
        email=f"{carrier.unique('person')}@acme.example",
        password="correct horse battery",
        language=language,
    )
    assert (made["code"], made["field"]) == ("INVALID", "language")
    assert made["message"] == "Give one of en, de, es."


async def test_a_german_contact_is_shown_its_checklist_in_german(carrier: Carrier) -> None:
    shown = await (await _german(carrier)).ask(CHECKLIST)
    assert shown["viewer"]["customer"]["checklist"]["items"][:2] == [
        {
            "title": "E-Mail-Adresse bestätigen",
            "detail": "Fordern Sie eine Nachricht an und öffnen Sie den Link darin.",
        },
        {
            "title": "Mobilnummer bestätigen",
            "detail": "Bestätigen Sie Ihre Mobilnummer +441632960000.",
        },
    ]


async def test_a_german_contact_is_refused_in_german(carrier: Carrier) -> None:
    contact = await _german(carrier)
    made = await contact.do(
        "createCarrier", "Carrier", "id", name="A", reference="a", currency="EUR"
    )
    assert made == {
        "__typename": "NotPermitted",
        "code": "FORBIDDEN",
        "field": None,
        "message": "Ihnen fehlt die Berechtigung „Carrier und Tariflisten anlegen und ändern“;"
        " verwenden Sie einen Zugang oder einen Schlüssel, der sie hat.",
    }


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("{ invoices(first: 0) { pageInfo { hasNextPage } } }", "Fragen Sie 1 bis 100 auf einmal"),
        ("{ invoices(after: \"x\") { pageInfo { hasNextPage } } }", "Verwenden Sie einen Cursor"),
        ("{ a }" + "#" * 20_000, "Das Dokument hat 20005 Zeichen; senden Sie eines"),
        ("{ " + "viewer { __typename } " * 180 + "}", "Das Dokument hat 722 Token"),
        ("{ ...F } fragment F on Query { ...F }", "Das Fragment F enthält sich selbst."),
        ("fragment F on Query { a }", "Das Dokument enthält keine Operation."),
    ],
)  # fmt: skip
async def test_the_limits_of_a_document_are_told_in_german(
    carrier: Carrier, query: str, said: str
) -> None:
    assert (await message(await _german(carrier), query)).startswith(said)


async def test_a_request_that_is_none_is_told_so_in_german(carrier: Carrier) -> None:
    contact = await _german(carrier)
    headers = contact.headers | {"Content-Type": "application/json"}
    for body, said in [
        (b"{", "Der Inhalt konnte nicht gelesen werden: Er ist kein JSON."),
        (b'{"query": 1}', "`query` muss eine Zeichenkette oder null sein."),
        (b"[]", "Ein Stapel hat 1 bis 10 Operationen, nicht 0."),
        (
            json.dumps([{"query": LIVE}]).encode(),
            "Abonnieren Sie über einen WebSocket (graphql-transport-ws), oder akzeptieren Sie"
            " text/event-stream.",
        ),
    ]:
        async with httpx2.AsyncClient(verify=False) as client:
            answer = await client.post(f"{contact.url}/graphql", content=body, headers=headers)
        told = answer.json()
        [error] = told[0]["errors"] if isinstance(told, list) else told["errors"]
        assert error["message"] == said
        assert error["extensions"]["code"] == "BAD_REQUEST"


async def test_staff_is_told_in_its_own_language(carrier: Carrier) -> None:
    finance = await carrier.staff("FINANCE")
    await Staff.filter(account_id=carrier.account_id, role="FINANCE").update(language="es")
    made = await finance.do(
        "createCustomer", "Customer", "id", name="A", reference="a", currency="EUR"
    )
    assert made["message"] == (
        "No tiene permiso para crear y modificar clientes y contactos; use un acceso o una clave"
        " que lo tenga."
    )


async def test_a_program_is_told_in_the_language_of_its_account(carrier: Carrier) -> None:
    await Account.filter(id=carrier.account_id).update(language="de")
    key = await carrier.key("LIVE_READ")
    assert (await message(key, "{ invoices { pageInfo { hasNextPage } } }")).startswith("Ihnen")


@pytest.mark.parametrize(
    ("accepts", "said"),
    [
        (None, "E-mail address and password do not fit together; try again."),
        ("fr", "E-mail address and password do not fit together; try again."),
        (
            "fr, es;q=0.2, de;q=0.8",
            "E-Mail-Adresse und Passwort passen nicht zusammen; versuchen Sie es erneut.",
        ),
        (
            "es-MX",
            "La dirección de correo electrónico y la contraseña no coinciden; inténtelo de nuevo.",
        ),
    ],
)
async def test_who_signs_in_is_refused_in_the_language_of_the_browser(
    carrier: Carrier, accepts: str | None, said: str
) -> None:
    browser = Caller(carrier.url, accepts=accepts)
    given = {"email": "nobody@acme.example", "password": "wrong"}
    refused = await browser.do("login", "Session", "token", **given)
    assert (refused["code"], refused["message"]) == ("WRONG_CREDENTIALS", said)


async def test_a_token_that_is_none_is_refused_in_the_language_of_the_browser(
    carrier: Carrier,
) -> None:
    nobody = Caller(carrier.url, "no token", accepts="de")
    assert await message(nobody, "{ viewer { __typename } }") == (
        "Der Authorization-Header enthält kein Token und keinen Schlüssel von Callboard."
    )


async def test_what_a_person_chose_counts_for_more_than_its_browser(carrier: Carrier) -> None:
    contact = await _german(carrier)
    contact.accepts = "es"
    assert (await message(contact, "{ switches { reference } }")).startswith("Ihnen fehlt")


async def test_an_answer_that_depends_on_accept_language_says_so(carrier: Carrier) -> None:
    async with httpx2.AsyncClient(verify=False) as client:
        answer = await client.get(f"{carrier.url}/graphql", params={"query": "{ __typename }"})
    assert "Accept-Language" in answer.headers["vary"]


async def test_listeners_of_the_same_are_each_refused_in_their_own_language(
    carrier: Carrier, api: Program
) -> None:
    """At the same time, in one process: no execution is shared between languages."""
    customer = await carrier.customer()
    for _ in range(2):
        for language in texts.LANGUAGES:
            contact = await carrier.contact(customer, language=language)
            async with signed_in(api.url, contact.token) as socket:
                await say(socket, subscribe("1", LIVE))
                told = await hear(socket)
            [error] = told["payload"]["errors"] if told["type"] == "next" else told["payload"]
            assert error["message"] == OWN_ONLY[language]


async def test_a_socket_of_nobody_is_told_in_what_its_handshake_accepts(api: Program) -> None:
    german = {"Accept-Language": "de"}
    async with signed_in(api.url, None, additional_headers=german) as socket:
        await say(socket, subscribe("1", "{ viewer { __typename } }"))
        told = await hear(socket)
    [error] = told["payload"]["errors"]
    assert error["message"].startswith("Melden Sie sich an")


@pytest.mark.parametrize(("last", "said"), [("x", "Diese Last-Event-ID"), ("", "Die Berechtigung")])
async def test_a_stream_is_refused_in_german(carrier: Carrier, last: str, said: str) -> None:
    contact = await _german(carrier)
    headers = contact.headers | {"Accept": "text/event-stream", "Last-Event-ID": last}
    async with httpx2.AsyncClient(verify=False) as client:
        answer = await client.post(f"{contact.url}/graphql", json={"query": LIVE}, headers=headers)
    assert f'"message": "{said}' in answer.text or f'"message":"{said}' in answer.text


async def test_signing_in_again_finds_the_language_as_it_was_left(carrier: Carrier) -> None:
    customer = await carrier.customer()
    email = f"{carrier.unique('person')}@acme.example"
    password = "correct horse battery"
    made = {"customerId": customer, "name": "A", "email": email, "password": password}
    await carrier.owner.do("createContact", "Contact", "id", **made, language="es")
    contact = await sign_in(carrier.url, email, password)
    assert await contact.ask("{ viewer { ... on Contact { language } } }") == {
        "viewer": {"language": "es"}
    }
    assert (await message(contact, "{ switches { reference } }")).startswith("No tiene permiso")
