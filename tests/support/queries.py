"""Client documents, word for word as clients send them, without comments."""

DASHBOARD = """
query Dashboard($from: DateTime!, $to: DateTime!, $carriers: [ID!]) {
  viewer {
    __typename
    ... on Staff   { id name role account { id name } }
    ... on ApiKey  { id name scopes account { id name } }
    ... on Contact {
      id name email emailVerifiedAt mobile mobileVerifiedAt language timeZone
      customer {
        id reference name currency status paymentUrl
        balance { amount currency }  debitLimit { amount currency }
        checklist { outstanding items { code title detail } }
        channels { inUse limit sequence asOf byCarrier { carrier { id name } inUse } }
        stats(from: $from, to: $to, interval: HOUR, carrierIds: $carriers) {
          timeZone
          total     { at attempts answered asr acdSeconds dtmfPercent pddMs channelsMax cps }
          byCarrier { carrier { id name } points { at attempts answered asr acdSeconds dtmfPercent channelsMax } }
        }
        summary(granularity: LIVE, first: 24) {
          asOf billable
          edges { cursor node { id periodStart periodEnd open version attempts answered asr acdSeconds talkSeconds billedSeconds charge { amount currency } invoice { id number } } }
          pageInfo { hasNextPage endCursor }
        }
      }
    }
  }
}
"""  # noqa: E501 - as the client has it

CELLS = """
query Cells($rows: [ID!]!, $column: SummaryColumn!) { summaryCells(rowIds: $rows, column: $column) { count sum cellAverage weightedAverage } }
"""  # noqa: E501 - as the client has it

CHANNELS = """
subscription Channels($customer: ID) { liveChannels(customerId: $customer) { sequence asOf inUse limit cps byCarrier { carrier { id name } inUse } } }
"""  # noqa: E501 - as the client has it

ROWS = """
subscription Rows($customer: ID!, $g: Granularity!) { summaryUpdated(customerId: $customer, granularity: $g) { id periodStart version attempts answered charge { amount currency } } }
"""  # noqa: E501 - as the client has it

CHECKLIST_CHANGES = """
subscription ChecklistChanges { checklistChanged { customerId outstanding } }
"""

ALERTS = """
subscription Alerts { alertEvents { rule { id title } kind value at } }
"""

LOGIN = """
mutation Login($i: LoginInput!)            { login(input: $i) { __typename ... on Session { token expiresAt } ... on Refusal { code message } } }
"""  # noqa: E501 - as the client has it

GENERATE = """
mutation Generate($i: GenerateInvoiceInput!) { generateInvoice(input: $i) { __typename ... on Invoice { id number status total { amount currency } } ... on Refusal { code message } } }
"""  # noqa: E501 - as the client has it

BILLING_FEED = """
query BillingFeed($after: String, $first: Int!) {
  invoices(first: $first, after: $after, filter: { statuses: [ISSUED, PAID, VOID] }) {
    pageInfo { hasNextPage endCursor }
    edges { cursor node { id kind number status issuedAt periodStart periodEnd customer { id reference } currency subtotal { amount } tax { amount } rounding { amount } total { amount currency } contentHash
      lines { kind description periodStart periodEnd calls billedSeconds amount { amount } } } }
  }
}
"""  # noqa: E501 - as the client has it

BLOCK = """
mutation Block($c: ID!)                    { assignNumberBlock(customerId: $c) { __typename ... on NumberBlock { id first last size } ... on Refusal { code message } } }
"""  # noqa: E501 - as the client has it

NUMBERS = """
query Numbers($c: ID!)                     { customer(id: $c) { numberBlocks { id first last size used } availableUsernames(first: 20) { edges { node } } sipUsers(first: 20) { edges { node { id username } } } } }
"""  # noqa: E501 - as the client has it

SIP = """
mutation Sip($i: CreateSipUserInput!)      { createSipUser(input: $i) { __typename ... on SipUser { id username } ... on Refusal { code message } } }
"""  # noqa: E501 - as the client has it

PROOF = """
query Proof($c: ID!, $from: DateTime!, $to: DateTime!) { reconciliation(customerId: $c, from: $from, to: $to) { balanced records { calls charge { amount } } rows { calls charge { amount } } ledger { charge { amount } } invoiced { charge { amount } } pending { hour reason } differences { hour detail } } }
"""  # noqa: E501 - as the client has it

ALL = (
    DASHBOARD,
    CELLS,
    CHANNELS,
    ROWS,
    CHECKLIST_CHANGES,
    ALERTS,
    LOGIN,
    GENERATE,
    BILLING_FEED,
    BLOCK,
    NUMBERS,
    SIP,
    PROOF,
)
