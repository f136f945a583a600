-- What a summary row by matched prefix is read from: NER, PDD and DTMF % by prefix, and the sums of
-- days. `detailed`: the attempts that the columns after it count; of hours that were frozen before
-- this migration none, because their records may be gone.
-- Reads `call_records` and `rollup_destinations` once. Other transactions cannot use the sums until
-- the commit.
LOCK TABLE hours IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE rollup_destinations
    ADD COLUMN detailed bigint NOT NULL DEFAULT 0,
    ADD COLUMN dtmf_answered bigint NOT NULL DEFAULT 0,
    ADD COLUMN pdd_us numeric NOT NULL DEFAULT 0,
    ADD COLUMN pdd_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN effective bigint NOT NULL DEFAULT 0,
    ADD COLUMN redirected bigint NOT NULL DEFAULT 0;

UPDATE rollup_destinations d
SET (detailed, dtmf_answered, pdd_us, pdd_count, effective, redirected)
  = (d.attempts, r.dtmf_answered, r.pdd_us, r.pdd_count, r.effective, r.redirected)
FROM hours h
JOIN (
    SELECT account_id, customer_id, date_trunc('hour', setup_at, 'UTC') AS hour,
           CASE rated_by WHEN 'SWITCH' THEN 'switch' WHEN 'CARD' THEN 'prefix:' || prefix
                         WHEN 'WAIVED' THEN 'waived' ELSE 'unrated' END AS destination,
           count(*) FILTER (WHERE dtmf_digits > 0 AND answer_at IS NOT NULL) AS dtmf_answered,
           coalesce(extract(epoch FROM sum(ringing_at - setup_at)) * 1000000, 0) AS pdd_us,
           count(ringing_at) AS pdd_count,
           count(*) FILTER (WHERE sip_code IN (200, 480, 486, 600, 603)) AS effective,
           count(*) FILTER (WHERE sip_code BETWEEN 300 AND 399) AS redirected
    FROM call_records WHERE final GROUP BY 1, 2, 3, 4
) r USING (account_id, customer_id, hour)
WHERE NOT h.frozen AND d.account_id = h.account_id AND d.customer_id = h.customer_id
  AND d.hour = h.hour AND d.destination = r.destination;

CREATE TABLE destination_days (
    account_id     bigint NOT NULL,
    customer_id    bigint NOT NULL,
    day            timestamptz NOT NULL,                -- start of a UTC day
    destination    text NOT NULL,                       -- as in `rollup_destinations`
    attempts       bigint NOT NULL,
    answered       bigint NOT NULL,
    talk_us        bigint NOT NULL,
    billed_seconds bigint NOT NULL,
    charge         numeric NOT NULL,
    detailed       bigint NOT NULL,
    dtmf_answered  bigint NOT NULL,
    pdd_us         numeric NOT NULL,
    pdd_count      bigint NOT NULL,
    effective      bigint NOT NULL,
    redirected     bigint NOT NULL,
    PRIMARY KEY (account_id, customer_id, day, destination)
) WITH (fillfactor = 80);                               -- the current rows change with every rebuild

INSERT INTO destination_days
SELECT account_id, customer_id, date_trunc('day', hour, 'UTC'), destination, sum(attempts),
       sum(answered), sum(talk_us), sum(billed_seconds), sum(charge), sum(detailed),
       sum(dtmf_answered), sum(pdd_us), sum(pdd_count), sum(effective), sum(redirected)
FROM rollup_destinations GROUP BY 1, 2, 3, 4 ORDER BY 1, 3, 2, 4;

CREATE INDEX destination_days_day ON destination_days (account_id, day);      -- the account's rows
CREATE INDEX rollup_destinations_hour ON rollup_destinations (account_id, hour);
