// A graphql-sse client (distinct connections) that does what lines of JSON on stdin say, and tells
// by lines on stdout what comes of it. node stream.mjs URL BEARER [RETRIES]
import { createInterface } from 'node:readline';
import { createClient } from 'graphql-sse';

const [url, bearer, retries = 6000] = process.argv.slice(2);
const tell = (event, more) => console.log(JSON.stringify({ event, ...more }));
const running = new Map();

const client = createClient({
  url,
  headers: bearer ? { authorization: `Bearer ${bearer}` } : {},
  retryAttempts: Number(retries),
  retry: () => new Promise((done) => setTimeout(done, 100)),
});

const actions = {
  subscribe({ id, ...request }) {
    const sink = {
      next: (result) => tell('next', { id, result }),
      error: (error) => tell('error', { id, error: String(error), status: error.response?.status }),
      complete: () => tell('complete', { id }),
    };
    const on = { message: ({ event }) => tell('message', { id, of: event }) };
    running.set(id, client.subscribe(request, sink, on));
  },
  stop({ id }) {
    running.get(id)();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: action, ...more } = JSON.parse(line);
  actions[action](more);
}
client.dispose();
