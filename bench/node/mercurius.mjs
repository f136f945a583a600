// Mercurius with JIT, as its documentation sets it up for production. node mercurius.mjs PORT
import Fastify from 'fastify';
import mercurius from 'mercurius';
import { resolvers, typeDefs } from './dashboard.mjs';

const app = Fastify();
app.register(mercurius, {
  schema: typeDefs,
  resolvers,
  jit: 1,
  context: (request) => ({ authorization: request.headers.authorization }),
});
await app.listen({ port: Number(process.argv[2]), host: '127.0.0.1' });
