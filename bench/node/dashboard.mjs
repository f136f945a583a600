// The schema of the `Dashboard` document, and resolvers that read Callboard's tables with pg: one
// statement for each part, and plain objects that the leaves are read from.
import { createHash } from 'node:crypto';
import pg from 'pg';

pg.types.setTypeParser(pg.types.builtins.INT8, Number);
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) =>
  `${text.slice(0, 10)}T${text.slice(11, 19)}.${(text.slice(20, -3) || '').padEnd(6, '0')}Z`);

export const typeDefs = /* GraphQL */ `
  scalar DateTime
  scalar Decimal
  scalar Long
  enum StatsInterval { QUARTER_HOUR HOUR DAY WEEK MONTH }
  enum Granularity { LIVE DAILY WEEKLY MONTHLY }
  type Money { amount: Decimal! currency: String! }
  type Account { id: ID! name: String! }
  type Staff { id: ID! name: String! role: String! account: Account! }
  type ApiKey { id: ID! name: String! scopes: [String!]! account: Account! }
  type Carrier { id: ID! name: String }
  type CarrierChannels { carrier: Carrier inUse: Long! }
  type Channels {
    inUse: Long! limit: Long complete: Boolean! sequence: Long! asOf: DateTime!
    byCarrier: [CarrierChannels!]!
  }
  type Item { code: String! title: String! detail: String }
  type Checklist { outstanding: Long! items: [Item!]! }
  type Point {
    at: DateTime! attempts: Long! answered: Long! asr: Float acdSeconds: Float dtmfPercent: Float
    pddMs: Float channelsMax: Long cps: Float!
  }
  type CarrierStats { carrier: Carrier points: [Point!]! }
  type Stats { timeZone: String! total: [Point!]! byCarrier: [CarrierStats!] }
  type Invoice { id: ID! number: String }
  type Invoicing { state: String! invoicedHours: Long! hours: Long! }
  type Row {
    id: ID! periodStart: DateTime! periodEnd: DateTime! open: Boolean! version: Long!
    attempts: Long! answered: Long! asr: Float acdSeconds: Float talkSeconds: Long!
    billedSeconds: Long! charge: Money! invoice: Invoice invoicing: Invoicing
  }
  type Edge { cursor: String! node: Row! }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  type Summary {
    asOf: DateTime! stale: Boolean! billable: Boolean! edges: [Edge!]! pageInfo: PageInfo!
  }
  type Customer {
    id: ID! reference: String! name: String! currency: String! status: String! paymentUrl: String
    balance: Money debitLimit: Money checklist: Checklist channels: Channels
    stats(from: DateTime!, to: DateTime!, interval: StatsInterval!, carrierIds: [ID!]): Stats
    summary(granularity: Granularity!, first: Int): Summary
  }
  type Contact {
    id: ID! name: String! email: String! emailVerifiedAt: DateTime mobile: String
    mobileVerifiedAt: DateTime language: String! timeZone: String! customer: Customer!
  }
  union Viewer = Staff | ApiKey | Contact
  type Query { viewer: Viewer! }
`;

const HOUR = 3_600_000;
const pool = new pg.Pool({ max: 10 });
const query = async (name, text, values) => (await pool.query({ name, text, values })).rows;
const globalId = (...parts) => Buffer.from(parts.join(':')).toString('base64url');
const instant = (ms) => new Date(ms).toISOString().replace('Z', '000Z');
const ratio = (part, whole, factor) => (whole ? (factor * part) / whole : null);

const VIEWER = `
  SELECT c.account_id, c.id, c.name, c.email, c.email_verified_at, c.mobile, c.mobile_verified_at,
         c.language, c.time_zone, c.customer_id
  FROM sessions s JOIN logins l ON l.id = s.login_id AND l.disabled_at IS NULL
  JOIN contacts c ON c.account_id = s.account_id AND c.login_id = s.login_id
  WHERE s.account_id = $1 AND s.id = $2 AND s.secret_hash = $3 AND s.ended_at IS NULL
    AND s.expires_at > now()`;
const CUSTOMER = `
  SELECT account_id, id, reference, name, currency, status, debit_limit, channel_limit
  FROM customers WHERE account_id = $1 AND id = $2`;
const BALANCE = `
  SELECT coalesce((SELECT posted FROM balances WHERE account_id = $1 AND customer_id = $2), 0)
    - coalesce((SELECT sum(charge - posted_charge) FROM hours WHERE account_id = $1
                AND customer_id = $2 AND posted_version < version), 0) AS amount`;
const CHECKLIST = 'SELECT open FROM checklists WHERE account_id = $1 AND customer_id = $2';
const CHANNELS = `
  SELECT m.carrier_id, m.last, m.start, c.id, c.name FROM channel_minutes m
  LEFT JOIN carriers c ON c.account_id = $1 AND c.id = m.carrier_id
  WHERE m.account_id = $1 AND m.customer_id = $2 AND m.start = (
    SELECT max(start) FROM channel_minutes WHERE account_id = $1 AND customer_id = $2)
  ORDER BY m.carrier_id`;
const STATS = `
  SELECT date_trunc('hour', slot, 'UTC') AS at, carrier_id, sum(attempts)::bigint AS attempts,
         sum(answered)::bigint AS answered, sum(talk_us)::bigint AS talk_us,
         sum(dtmf_answered)::bigint AS dtmf, sum(pdd_us)::bigint AS pdd_us,
         sum(pdd_count)::bigint AS pdd_count
  FROM rollups WHERE account_id = $1 AND customer_id = $2 AND slot >= $3 AND slot < $4
    AND ($5::bigint[] IS NULL OR carrier_id = ANY($5)) GROUP BY 1, 2`;
const HISTORY = `
  SELECT date_trunc('hour', start, 'UTC') AS at, carrier_id, max(maximum) AS maximum
  FROM channel_minutes WHERE account_id = $1 AND customer_id = $2 AND start >= $3 AND start < $4
  GROUP BY 1, 2`;
const CARRIERS = 'SELECT id, name FROM carriers WHERE account_id = $1 AND id = ANY($2)';
const ROWS = `
  SELECT h.hour, h.version, h.attempts, h.answered, h.talk_us, h.billed_seconds, h.charge,
         i.id AS invoice_id, i.number
  FROM hours h
  LEFT JOIN invoice_hours p ON p.account_id = $1 AND p.customer_id = $2 AND p.hour = h.hour
    AND p.freed_at IS NULL
  LEFT JOIN invoices i ON i.account_id = $1 AND i.id = p.invoice_id
  WHERE h.account_id = $1 AND h.customer_id = $2 AND h.hour >= $3`;
const OLDEST = `
  SELECT marked_at FROM hour_marks WHERE account_id = $1 AND customer_id = $2
  ORDER BY marked_at LIMIT 1`;

const EMPTY = { attempts: 0, answered: 0, talk_us: 0, dtmf: 0, pdd_us: 0, pdd_count: 0 };
const carrier = (account, row) => ({ id: globalId('Carrier', account, row.id), name: row.name });

function point(at, sums, channelsMax, now) {
  const passed = Math.max(Math.min(now, at + HOUR) - at, 1_000) / 1_000;
  return {
    at: instant(at), attempts: sums.attempts, answered: sums.answered,
    asr: ratio(sums.answered, sums.attempts, 100),
    acdSeconds: ratio(sums.talk_us, sums.answered, 1e-6),
    dtmfPercent: ratio(sums.dtmf, sums.answered, 100),
    pddMs: ratio(sums.pdd_us, sums.pdd_count, 1e-3), channelsMax, cps: sums.attempts / passed,
  };
}

function total(parts) {
  const sums = { ...EMPTY };
  for (const part of parts) for (const name in sums) sums[name] += part[name];
  return sums;
}

class Customer {
  constructor(row, zone) {
    Object.assign(this, row);
    this.key = [row.account_id, row.id];
    this.zone = zone;
    this.id = globalId('Customer', ...this.key);
    this.paymentUrl = null;
    this.debitLimit = { amount: row.debit_limit, currency: row.currency };
  }

  async readBalance() {
    const [{ amount }] = await query('balance', BALANCE, this.key);
    return { amount, currency: this.currency };
  }

  async readChecklist() {
    const [row] = await query('checklist', CHECKLIST, this.key);
    const items = Object.keys(row?.open ?? {}).map((code) => ({ code, title: code, detail: null }));
    return { outstanding: items.length, items };
  }

  async readChannels() {
    const rows = await query('channels', CHANNELS, this.key);
    const of = rows.filter((row) => row.id !== null);
    return {
      inUse: rows.find((row) => row.carrier_id === -1)?.last ?? 0, limit: this.channel_limit,
      complete: true, sequence: Date.now() * 1_000, asOf: rows[0]?.start ?? instant(Date.now()),
      byCarrier: of.map((row) => ({ carrier: carrier(this.account_id, row), inUse: row.last })),
    };
  }

  async readStats({ from, to, carrierIds }) {
    const chosen = carrierIds?.map((id) =>
      Number(Buffer.from(id, 'base64url').toString().split(':')[2])) ?? null;
    const [sums, history] = await Promise.all([
      query('stats', STATS, [...this.key, from, to, chosen]),
      query('history', HISTORY, [...this.key, from, to]),
    ]);
    const ids = chosen ?? [...new Set(sums.map((row) => row.carrier_id))].sort();
    const rows = await query('carriers', CARRIERS, [this.account_id, ids]);
    const byKey = new Map(sums.map((row) => [`${row.carrier_id} ${Date.parse(row.at)}`, row]));
    const most = new Map(
      history.map((row) => [`${row.carrier_id} ${Date.parse(row.at)}`, row.maximum]));
    const starts = [], now = Date.now();
    for (let at = Date.parse(from); at < Date.parse(to); at += HOUR) starts.push(at);
    return {
      timeZone: this.zone,
      total: starts.map((at) => point(
        at, total(ids.map((id) => byKey.get(`${id} ${at}`) ?? EMPTY)), most.get(`-1 ${at}`) ?? null,
        now)),
      byCarrier: rows.map((row) => ({
        carrier: carrier(this.account_id, row),
        points: starts.map((at) => point(
          at, byKey.get(`${row.id} ${at}`) ?? EMPTY, most.get(`${row.id} ${at}`) ?? null, now)),
      })),
    };
  }

  async readSummary({ first }) {
    const now = Date.now(), current = now - (now % HOUR);
    const oldest = current - 23 * HOUR;
    const [marks, rows] = await Promise.all([
      query('oldest', OLDEST, this.key), query('rows', ROWS, [...this.key, instant(oldest)]),
    ]);
    const byHour = new Map(rows.map((row) => [Date.parse(row.hour), row]));
    const edges = [];
    for (let at = current; at >= oldest && edges.length < first; at -= HOUR) {
      edges.push({ cursor: globalId('cursor', at / 1_000), node: this.row(at, byHour.get(at), now) });
    }
    return {
      asOf: marks[0]?.marked_at ?? instant(now),
      stale: marks.length > 0 && now - Date.parse(marks[0].marked_at) > 120_000, billable: false,
      edges, pageInfo: { hasNextPage: first < 24, endCursor: edges.at(-1).cursor },
    };
  }

  row(at, found, now) {
    const sums = found ?? { version: 0, attempts: 0, answered: 0, talk_us: 0, billed_seconds: 0 };
    const held = sums.invoice_id != null;
    return {
      id: globalId('SummaryRow', ...this.key, 'LIVE', at / 1_000),
      periodStart: instant(at), periodEnd: instant(at + HOUR), open: now < at + HOUR,
      version: sums.version, attempts: sums.attempts, answered: sums.answered,
      asr: ratio(sums.answered, sums.attempts, 100),
      acdSeconds: ratio(sums.talk_us, sums.answered, 1e-6),
      talkSeconds: Math.round(sums.talk_us / 1e6), billedSeconds: sums.billed_seconds,
      charge: { amount: sums.charge ?? '0', currency: this.currency },
      invoice: held
        ? { id: globalId('Invoice', this.account_id, sums.invoice_id), number: sums.number } : null,
      invoicing: { state: held ? 'FULLY' : 'NONE', invoicedHours: held ? 1 : 0, hours: 1 },
    };
  }
}

async function viewer(_, __, { authorization }) {
  const [, account, session, secret] = /^Bearer cb_(\d+)_s(\d+)_(.+)$/.exec(authorization) ?? [];
  const hash = createHash('sha256').update(secret).digest();
  const [row] = await query('viewer', VIEWER, [account, session, hash]);
  return {
    __typename: 'Contact', id: globalId('Contact', row.account_id, row.id), name: row.name,
    email: row.email, emailVerifiedAt: row.email_verified_at, mobile: row.mobile,
    mobileVerifiedAt: row.mobile_verified_at, language: row.language, timeZone: row.time_zone,
    key: [row.account_id, row.customer_id],
  };
}

async function customer({ key, timeZone }) {
  const [row] = await query('customer', CUSTOMER, key);
  return new Customer(row, timeZone);
}

// graphql-jit does not call methods of objects.
const method = (name) => (source, args) => source[name](args);

export const resolvers = {
  Query: { viewer },
  Contact: { customer },
  Customer: {
    balance: method('readBalance'),
    checklist: method('readChecklist'),
    channels: method('readChannels'),
    stats: method('readStats'),
    summary: method('readSummary'),
  },
};
