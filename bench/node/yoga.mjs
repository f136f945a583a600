// graphql-yoga over graphql-ws and ws, events from Redis, as its documentation sets it up for
// production. node yoga.mjs PORT REDIS
import { createServer } from 'node:http';
import { createRedisEventTarget } from '@graphql-yoga/redis-event-target';
import { useServer } from 'graphql-ws/use/ws';
import { createPubSub, createSchema, createYoga } from 'graphql-yoga';
import { Redis } from 'ioredis';
import { WebSocketServer } from 'ws';

const [port, redis] = process.argv.slice(2);
const pubSub = createPubSub({
  eventTarget: createRedisEventTarget({
    publishClient: new Redis(redis),
    // Its ready check is an INFO, which fails where a subscription overtakes it.
    subscribeClient: new Redis(redis, { enableReadyCheck: false }),
  }),
});

const schema = createSchema({
  typeDefs: /* GraphQL */ `
    type Carrier { id: ID! name: String }
    type CarrierChannels { carrier: Carrier inUse: Int! }
    type Channels {
      sequence: Float! asOf: String! inUse: Int! limit: Int cps: Float!
      byCarrier: [CarrierChannels!]!
    }
    type Query { ok: Boolean! }
    type Subscription { liveChannels(customerId: ID): Channels! }
  `,
  resolvers: {
    Query: { ok: () => true },
    Subscription: {
      liveChannels: {
        subscribe: (_, { customerId }) => pubSub.subscribe('bench', customerId),
        resolve: (state) => state,
      },
    },
  },
});

const yoga = createYoga({ schema, logging: false, graphiql: false });
const server = createServer(yoga);

useServer(
  {
    execute: (args) => args.rootValue.execute(args),
    subscribe: (args) => args.rootValue.subscribe(args),
    onSubscribe: async (ctx, _id, params) => {
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        ...ctx,
        req: ctx.extra.request,
        socket: ctx.extra.socket,
        params,
      });
      const args = {
        schema,
        operationName: params.operationName,
        document: parse(params.query),
        variableValues: params.variables,
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe },
      };
      const errors = validate(args.schema, args.document);
      return errors.length ? errors : args;
    },
  },
  new WebSocketServer({ server, path: yoga.graphqlEndpoint, perMessageDeflate: false }),
);

server.listen(Number(port), '127.0.0.1', 4096);
