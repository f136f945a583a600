// GraphiQL on Callboard's own endpoint: queries over HTTP, subscriptions over a WebSocket.
import { setNonce } from "get-nonce";
import { GraphiQL } from "graphiql";
import "graphiql/style.css";
import { getOperationAST, parse } from "graphql";
import { createClient } from "graphql-ws";
import { createRoot } from "react-dom/client";

// The policy of the page permits only style elements with its nonce.
setNonce(document.querySelector("script[nonce]").nonce);

const endpoint = location.origin + location.pathname;
const csrf = { "X-Callboard-CSRF": "1" }; // so that the cookie of the session counts

function connect(headers) {
  const lowercase = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  return createClient({
    url: endpoint.replace(/^http/, "ws"),
    connectionParams: Object.fromEntries(lowercase),
  });
}

async function* subscribe(parameters, headers) {
  const client = connect(headers);
  try {
    yield* client.iterate(parameters);
  } finally {
    await client.dispose();
  }
}

async function execute(parameters, headers) {
  const answer = await fetch(endpoint, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...csrf, ...headers },
    body: JSON.stringify(parameters),
  });
  return await answer.json();
}

function fetcher(parameters, { headers = {} } = {}) {
  const operation = getOperationAST(parse(parameters.query), parameters.operationName);
  return operation?.operation === "subscription"
    ? subscribe(parameters, headers)
    : execute(parameters, headers);
}

const root = document.querySelector("#graphiql");
createRoot(root).render(<GraphiQL fetcher={fetcher} defaultQuery={root.dataset.query} />);
