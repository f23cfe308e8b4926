// Follows events with graphql-ws as its authors publish it. Prints one JSON line per event; goes on after the last cursor whenever the connection is lost.
// Commands on stdin: "cut" drops the connection without a close handshake.
import { createInterface } from 'node:readline';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [url, key, federationId, after, types] = process.argv.slice(2);
let socket;
let cursor = after || null;
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: `Bearer ${key}` },
  shouldRetry: () => true,
  retryAttempts: 1000,
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 50)),
  lazy: true,
  on: { opened: (opened) => { socket = opened; }, connected: () => say({ connected: true }), closed: (event) => say({ closed: event.code ?? 1006 }) },
});
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
createInterface({ input: process.stdin }).on('line', (line) => { if (line === 'cut') socket.terminate(); });

const query = 'subscription($federationId: ID!, $after: String, $types: [String!]) { events(federationId: $federationId, after: $after, types: $types) { cursor id type ledgerIndex subject } }';
const variables = { federationId, types: types ? types.split(',') : null, get after() { return cursor; } };
client.subscribe(
  { query, variables },
  {
    next: ({ data, errors }) => {
      if (errors) say({ errors });
      else { cursor = data.events.cursor; say(data.events); }
    },
    error: (error) => { say({ failed: Array.isArray(error) ? error : (error.reason ?? error.message), code: error.code ?? null }); process.exit(1); },
    complete: () => process.exit(0),
  },
);
