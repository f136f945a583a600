// graphql-yoga, which caches parsed and validated documents. node yoga-dashboard.mjs PORT
import { createServer } from 'node:http';
import { createSchema, createYoga } from 'graphql-yoga';
import { resolvers, typeDefs } from './dashboard.mjs';

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  logging: false,
  graphiql: false,
  context: ({ request }) => ({ authorization: request.headers.get('authorization') }),
});
createServer(yoga).listen(Number(process.argv[2]), '127.0.0.1');
