"""Every caller receives every text in its own language."""

import json
from typing import Any

import httpx2
import pytest

from domain.messaging import texts
from models.tables import Account, Staff
from tests.support.api.callers import Caller, Carrier, sign_in
from tests.support.api.sockets import hear, say, signed_in, subscribe
from tests.support.programs import Program

CHECKLIST = "{ viewer { ... on Contact { customer { checklist { items { title detail } } } } } }"
LIVE = "subscription { liveChannels { inUse } }"
OF_CUSTOMER = "subscription L($c: ID) { liveChannels(customerId: $c) { inUse } }"
# To a contact that requests the live state of another customer.
NO_SUCH_CUSTOMER = {
    "en": "No Customer has this id. Check the id.",
    "de": "Kunde nicht gefunden. Prüfen Sie die ID.",
    "es": "Cliente: no se ha encontrado. Compruebe el identificador.",
}


async def _german(carrier: Carrier) -> Caller:
    return await carrier.contact(
        await carrier.customer(), language="de", timeZone="Europe/Berlin", mobile="+441632960000"
    )


async def message(caller: Caller, query: str, **variables: Any) -> str:
    """Of an answer's one error."""
    [error] = (await caller.send(query, **variables))["errors"]
    message_text: str = error["message"]
    return message_text


async def test_every_caller_can_list_the_supported_languages(carrier: Carrier) -> None:
    for caller in (Caller(carrier.url), carrier.owner):
        assert await caller.ask("{ languages { code name } }") == {
            "languages": [
                {"code": "en", "name": "English"},
                {"code": "de", "name": "Deutsch"},
                {"code": "es", "name": "Español"},
            ]
        }


@pytest.mark.parametrize("language", ["pt-BR", "fr", "DE", "de-AT", ""])
async def test_an_unsupported_language_is_refused_with_the_supported_ones(
    carrier: Carrier, language: str
) -> None:
    answer = await carrier.owner.do(
        "createContact",
        "Contact",
        "id",
        customerId=await carrier.customer(),
        name="A person",
        email=f"{carrier.unique('person')}@acme.example",
        password="correct horse battery",
        language=language,
    )
    assert (answer["code"], answer["field"]) == ("INVALID", "language")
    assert answer["message"] == "Set one of en, de, es."


async def test_a_german_contact_sees_its_checklist_in_german(carrier: Carrier) -> None:
    answer = await (await _german(carrier)).ask(CHECKLIST)
    assert answer["viewer"]["customer"]["checklist"]["items"][:2] == [
        {
            "title": "E-Mail-Adresse bestätigen",
            "detail": "Fordern Sie eine Nachricht an und öffnen Sie den Link darin.",
        },
        {
            "title": "Mobilnummer bestätigen",
            "detail": "Bestätigen Sie Ihre Mobilnummer +441632960000.",
        },
    ]


async def test_a_german_contact_receives_refusals_in_german(carrier: Carrier) -> None:
    contact = await _german(carrier)
    answer = await contact.do(
        "createCarrier", "Carrier", "id", name="A", reference="a", currency="EUR"
    )
    assert answer == {
        "__typename": "NotPermitted",
        "code": "FORBIDDEN",
        "field": None,
        "message": "Diesem Zugang oder Schlüssel fehlt die Berechtigung „Carrier und Tariflisten"
        " anlegen und ändern“. Verwenden Sie einen, der sie hat.",
    }


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("{ invoices(first: 0) { pageInfo { hasNextPage } } }", "Fragen Sie 1 bis 100 auf einmal"),
        ("{ invoices(after: \"x\") { pageInfo { hasNextPage } } }", "Verwenden Sie einen Cursor"),
        ("{ a }" + "#" * 20_000, "Das Dokument hat 20005 Zeichen; senden Sie eines"),
        ("{ " + "viewer { __typename } " * 180 + "}", "Das Dokument hat 722 Token"),
        ("{ ...F } fragment F on Query { ...F }", "Das Fragment F enthält sich selbst."),
        ("fragment F on Query { a }", "Das Dokument enthält keine Operation."),
    ],
)  # fmt: skip
async def test_document_limits_are_explained_in_german(
    carrier: Carrier, query: str, text: str
) -> None:
    assert (await message(await _german(carrier), query)).startswith(text)


async def test_an_invalid_request_is_explained_in_german(carrier: Carrier) -> None:
    contact = await _german(carrier)
    headers = contact.headers | {"Content-Type": "application/json"}
    for body, text in [
        (b"{", "Der Inhalt ist kein gültiges JSON. Senden Sie ein JSON-Objekt."),
        (b'{"query": 1}', "`query` muss eine Zeichenkette oder null sein."),
        (b"[]", "Der Stapel hat 0 Operationen. Senden Sie 1 bis 10."),
        (
            json.dumps([{"query": LIVE}]).encode(),
            "Subscriptions benötigen einen WebSocket (graphql-transport-ws) oder"
            " `Accept: text/event-stream`.",
        ),
    ]:
        async with httpx2.AsyncClient(verify=False, timeout=60) as client:
            answer = await client.post(f"{contact.url}/graphql", content=body, headers=headers)
        stream = answer.json()
        [error] = stream[0]["errors"] if isinstance(stream, list) else stream["errors"]
        assert error["message"] == text
        assert error["extensions"]["code"] == "BAD_REQUEST"


async def test_staff_receive_messages_in_their_own_language(carrier: Carrier) -> None:
    finance = await carrier.staff("FINANCE")
    await Staff.filter(account_id=carrier.account_id, role="FINANCE").update(language="es")
    customer = await finance.do(
        "createCustomer", "Customer", "id", name="A", reference="a", currency="EUR"
    )
    assert customer["message"] == (
        "Este acceso o esta clave no tiene permiso para crear y modificar clientes y contactos. Use"
        " uno que lo tenga."
    )


async def test_a_program_receives_messages_in_the_language_of_its_account(carrier: Carrier) -> None:
    await Account.filter(id=carrier.account_id).update(language="de")
    key = await carrier.key("LIVE_READ")
    assert (await message(key, "{ invoices { pageInfo { hasNextPage } } }")).startswith("Diesem")


@pytest.mark.parametrize(
    ("accepts", "text"),
    [
        (
            None,
            "The e-mail address or password is incorrect. Try again, or request a new password.",
        ),
        (
            "fr",
            "The e-mail address or password is incorrect. Try again, or request a new password.",
        ),
        (
            "fr, es;q=0.2, de;q=0.8",
            "Die E-Mail-Adresse oder das Passwort ist falsch. Versuchen Sie es erneut, oder"
            " fordern Sie ein neues Passwort an.",
        ),
        (
            "es-MX",
            "La dirección de correo electrónico o la contraseña es incorrecta. Inténtelo de nuevo o"
            " solicite una contraseña nueva.",
        ),
    ],
)
async def test_a_failed_sign_in_is_refused_in_the_language_of_the_browser(
    carrier: Carrier, accepts: str | None, text: str
) -> None:
    browser = Caller(carrier.url, accepts=accepts)
    credentials = {"email": "nobody@acme.example", "password": "wrong"}
    answer = await browser.do("login", "Session", "token", **credentials)
    assert (answer["code"], answer["message"]) == ("WRONG_CREDENTIALS", text)


async def test_an_invalid_token_is_refused_in_the_language_of_the_browser(
    carrier: Carrier,
) -> None:
    anonymous = Caller(carrier.url, "no token", accepts="de")
    assert await message(anonymous, "{ viewer { __typename } }") == (
        "Der Header Authorization enthält weder ein Token noch einen Schlüssel von Callboard."
        " Senden Sie `Bearer <token or key>`."
    )


async def test_the_language_a_person_selected_overrides_that_of_the_browser(
    carrier: Carrier,
) -> None:
    contact = await _german(carrier)
    contact.accepts = "es"
    assert (await message(contact, "{ switches { reference } }")).startswith("Diesem Zugang oder")


async def test_a_response_that_depends_on_accept_language_declares_it(carrier: Carrier) -> None:
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        answer = await client.get(f"{carrier.url}/graphql", params={"query": "{ __typename }"})
    assert "Accept-Language" in answer.headers["vary"]


async def test_subscribers_of_the_same_data_are_refused_in_their_own_languages(
    carrier: Carrier, api: Program
) -> None:
    """At the same time, in one process: no execution is shared between languages."""
    customer, other = await carrier.customer(), await carrier.customer()
    for _ in range(2):
        for language in texts.LANGUAGES:
            contact = await carrier.contact(customer, language=language)
            async with signed_in(api.url, contact.token) as socket:
                await say(socket, subscribe("1", OF_CUSTOMER, variables={"c": other}))
                error_message = await hear(socket)
            [error] = (
                error_message["payload"]["errors"]
                if error_message["type"] == "next"
                else error_message["payload"]
            )
            assert error["message"] == NO_SUCH_CUSTOMER[language]


async def test_an_unauthenticated_socket_uses_the_language_of_its_handshake(api: Program) -> None:
    german = {"Accept-Language": "de"}
    async with signed_in(api.url, None, additional_headers=german) as socket:
        await say(socket, subscribe("1", "{ viewer { __typename } }"))
        error_message = await hear(socket)
    [error] = error_message["payload"]["errors"]
    assert error["message"].startswith("Melden Sie sich an")


@pytest.mark.parametrize(
    ("last", "text"), [("x", "Der Server hat diese Last-Event-ID"), ("", "Kunde nicht")]
)
async def test_a_stream_is_refused_in_german(carrier: Carrier, last: str, text: str) -> None:
    contact, other = await _german(carrier), await carrier.customer()
    headers = contact.headers | {"Accept": "text/event-stream", "Last-Event-ID": last}
    request = {"query": OF_CUSTOMER, "variables": {"c": other}}
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        answer = await client.post(f"{contact.url}/graphql", json=request, headers=headers)
    assert f'"message": "{text}' in answer.text or f'"message":"{text}' in answer.text


async def test_signing_in_again_restores_the_selected_language(carrier: Carrier) -> None:
    customer = await carrier.customer()
    email = f"{carrier.unique('person')}@acme.example"
    password = "correct horse battery"
    answer = {"customerId": customer, "name": "A", "email": email, "password": password}
    await carrier.owner.do("createContact", "Contact", "id", **answer, language="es")
    contact = await sign_in(carrier.url, email, password)
    assert await contact.ask("{ viewer { ... on Contact { language } } }") == {
        "viewer": {"language": "es"}
    }
    assert (await message(contact, "{ switches { reference } }")).startswith(
        "Este acceso o esta clave no tiene permiso"
    )
