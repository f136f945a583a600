"""GraphiQL for a browser that comes to /graphql, where the schema may be seen."""

from functools import cache

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from strawberry.http.ides import get_graphql_ide_html

from server import cookies

_WAITING = "Loading..."
_HEADERS = "const defaultHeaders = {};"
_OUR_HEADERS = f'const defaultHeaders = {{"{cookies.CSRF_HEADER}": "1"}};'  # so the cookie counts
_NOTICE = (
    "<p style='margin: auto; max-width: 40em; font-family: sans-serif'>GraphiQL comes from"
    " unpkg.com. If this text stays, that cannot be reached from here: use another client, such as"
    " Insomnia or curl, on this URL. The schema is also in schema/schema.graphql.</p>"
)


def wanted(request: Request) -> bool:
    """Whether this is a browser that shows a page, and no client that sends an operation."""
    parameters = {"query", "documentId"} & set(request.query_params)
    return request.method == "GET" and not parameters and _accepts_html(request)


def answer(*, sees_schema: bool) -> Response:
    """The page, or why there is none."""
    if sees_schema:
        return HTMLResponse(_page())
    return PlainTextResponse(
        "GraphiQL is shown to who is signed in, and to everybody where CALLBOARD_DEVELOPMENT is"
        " set. Programs send POST requests here; the API is described in schema/schema.graphql.\n",
        status_code=403,
    )


def _accepts_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


@cache
def _page() -> str:
    page = get_graphql_ide_html("graphiql").replace(_WAITING, _NOTICE, 1)
    return page.replace(_HEADERS, _OUR_HEADERS, 1)
