// The server audits of graphql-http, as one line of JSON.
// node audits.mjs                 their ids and names
// node audits.mjs URL [BEARER]    what each found; BEARER is sent with every request
import { serverAudits } from 'graphql-http';

const [url, bearer] = process.argv.slice(2);

async function asCaller(input, init = {}) {
  const headers = new Headers(init.headers);
  if (bearer) headers.set('authorization', `Bearer ${bearer}`);
  return fetch(input, { ...init, headers });
}

const audits = serverAudits({ url, fetchFn: asCaller });
const told = [];
for (const { id, name, fn } of audits) {
  const { status, reason } = url ? await fn() : {};
  told.push({ id, name, status, reason });
}
console.log(JSON.stringify(told));
