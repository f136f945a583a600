"""GraphiQL for a browser that opens /graphql; all files come from this server.

The page does not contain the schema, because only some callers may see it.
"""

import secrets
from html import escape
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

BUILT = Path(__file__).with_name("built")

_QUERY = """\
# In a browser without a session, set a token or key in "Headers" below
# and re-fetch the schema: {"Authorization": "Bearer cb_..."}

{
  viewer {
    __typename
  }
}
"""


def is_requested(request: Request) -> bool:
    """Whether a browser requests a page, rather than a client the result of an operation."""
    parameters = {"query", "documentId"} & set(request.query_params)
    return request.method == "GET" and not parameters and _accepts_html(request)


def show() -> Response:
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    return HTMLResponse(_html(nonce), headers=headers)


class _Files(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Browsers cache the files and check whether they have changed."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


routes = [Mount("/graphiql", _Files(directory=BUILT))]


def _accepts_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _html(nonce: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>GraphiQL - Callboard</title>
<link rel="stylesheet" href="graphiql/graphiql.css">
<style nonce="{nonce}">html, body, #graphiql {{ height: 100%; margin: 0 }}</style>
</head>
<body>
<div id="graphiql" data-query="{escape(_QUERY)}"></div>
<noscript>GraphiQL needs JavaScript: allow it, then load this page again.</noscript>
<script nonce="{nonce}" src="graphiql/graphiql.js" defer></script>
</body>
</html>
"""
