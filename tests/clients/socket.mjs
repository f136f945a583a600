// A graphql-ws client that does what lines of JSON on stdin say, and tells by lines on stdout what
// comes of it. node socket.mjs URL [BEARER]
import { createInterface } from 'node:readline';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [url, bearer] = process.argv.slice(2);
const tell = (event, more) => console.log(JSON.stringify({ event, ...more }));
const running = new Map();
let socket;

const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: bearer ? { authorization: `Bearer ${bearer}` } : undefined,
  retryAttempts: 6000,
  retryWait: () => new Promise((done) => setTimeout(done, 100)),
  shouldRetry: () => true,
  lazyCloseTimeout: 60_000,
  on: {
    opened: (opened) => (socket = opened),
    connected: (_, payload, again) => tell('connected', { again }),
    closed: ({ code, reason }) => tell('closed', { code, reason }),
    pong: (received, payload) => received && tell('pong', { payload }),
  },
});

const actions = {
  subscribe({ id, ...request }) {
    const stop = client.subscribe(request, {
      next: (result) => tell('next', { id, result }),
      error: (error) => tell('error', { id, error: Array.isArray(error) ? error : error.code }),
      complete: () => tell('complete', { id }),
    });
    running.set(id, stop);
  },
  stop({ id }) {
    running.get(id)();
  },
  send({ message }) {
    socket.send(JSON.stringify(message));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: action, ...more } = JSON.parse(line);
  actions[action](more);
}
await client.dispose();
