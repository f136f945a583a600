"""The page at `/` and the documentation to which it links, until the portal exists."""

import secrets
from html import escape

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from domain.messaging import texts
from domain.messaging.texts import mark_text
from runtime.settings import ROOT
from server import pages

_FOLDER = ROOT / "docs"
_DOCUMENTS = {str(path.relative_to(_FOLDER)): path for path in sorted(_FOLDER.rglob("*.md"))}
# The first line of a document, without its mark of a heading.
_TITLES = {
    path.name: path.read_text("utf-8").partition("\n")[0].removeprefix("# ")
    for path in sorted(_FOLDER.glob("*.md"))
}

_ABOUT = mark_text(
    "Callboard is the backend of a voice carrier's customer portal: live channels, call summaries"
    " and invoices over one GraphQL API."
)
_API = mark_text("Programs send GraphQL requests to {path}.")
_GRAPHIQL = mark_text("Try the API in GraphiQL")
_DOCUMENTATION = mark_text("Documentation (in English)")


async def show(request: Request) -> Response:
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    language = texts.preferred_language(request.headers.get("accept-language"))
    headers = {"Content-Security-Policy": policy, "Vary": "Accept-Language"}
    return HTMLResponse(_html(language, nonce), headers=headers)


async def show_document(request: Request) -> Response:
    """Returns Markdown as plain text, which every browser displays."""
    path = _DOCUMENTS.get(request.path_params["name"])
    if path is None:
        raise HTTPException(404)
    return FileResponse(path, media_type="text/plain")


def _html(language: str, nonce: str) -> str:
    def say(template: str, **values: object) -> str:
        return escape(texts.translate(language, template, values))

    links = "\n".join(
        f'<li><a href="docs/{name}">{escape(title)}</a></li>' for name, title in _TITLES.items()
    )
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Callboard</title>
<style nonce="{nonce}">{pages.STYLE}</style>
</head>
<body>
<main>
<h1>Callboard</h1>
<p>{say(_ABOUT)}</p>
<p>{say(_API, path="/graphql")}</p>
<p><a href="graphql">{say(_GRAPHIQL)}</a></p>
<p>{say(_DOCUMENTATION)}</p>
<ul lang="en">
{links}
</ul>
</main>
</body>
</html>
"""


routes = [Route("/", show), Route("/docs/{name:path}", show_document)]
