"""Queries of the design, word for word as clients send them."""

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
