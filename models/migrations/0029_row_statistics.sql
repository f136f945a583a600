-- What NER, PDD and DTMF % of a summary row are derived from, for hours and for sums of days and
-- months. `effective` and `redirected` are attempts by their SIP code (RFC 6076 §4.8).
-- Reads `rollups` and `rollup_codes` once. Other transactions cannot use `hours` until the commit.

ALTER TABLE hours
    ADD COLUMN dtmf_answered bigint NOT NULL DEFAULT 0,
    ADD COLUMN pdd_us numeric NOT NULL DEFAULT 0,
    ADD COLUMN pdd_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN effective bigint NOT NULL DEFAULT 0,
    ADD COLUMN redirected bigint NOT NULL DEFAULT 0;
ALTER TABLE day_sums
    ADD COLUMN dtmf_answered bigint NOT NULL DEFAULT 0,
    ADD COLUMN pdd_us numeric NOT NULL DEFAULT 0,
    ADD COLUMN pdd_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN effective bigint NOT NULL DEFAULT 0,
    ADD COLUMN redirected bigint NOT NULL DEFAULT 0;
ALTER TABLE month_sums
    ADD COLUMN dtmf_answered bigint NOT NULL DEFAULT 0,
    ADD COLUMN pdd_us numeric NOT NULL DEFAULT 0,
    ADD COLUMN pdd_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN effective bigint NOT NULL DEFAULT 0,
    ADD COLUMN redirected bigint NOT NULL DEFAULT 0;

UPDATE hours h
SET (dtmf_answered, pdd_us, pdd_count, effective, redirected)
  = (s.dtmf_answered, s.pdd_us, s.pdd_count, s.effective, s.redirected)
FROM (
    SELECT account_id, customer_id, hour,
           sum(dtmf_answered) AS dtmf_answered, sum(pdd_us) AS pdd_us,
           sum(pdd_count) AS pdd_count, sum(effective) AS effective, sum(redirected) AS redirected
    FROM (
        SELECT account_id, customer_id, date_trunc('hour', slot, 'UTC') AS hour,
               dtmf_answered, pdd_us, pdd_count, 0 AS effective, 0 AS redirected
        FROM rollups
        UNION ALL
        SELECT account_id, customer_id, hour, 0, 0, 0,
               CASE WHEN sip_code IN (200, 480, 486, 600, 603) THEN attempts ELSE 0 END,
               CASE WHEN sip_code BETWEEN 300 AND 399 THEN attempts ELSE 0 END
        FROM rollup_codes
    ) parts
    GROUP BY 1, 2, 3
) s
WHERE h.account_id = s.account_id AND h.customer_id = s.customer_id AND h.hour = s.hour
  AND (s.dtmf_answered > 0 OR s.pdd_count > 0 OR s.effective > 0 OR s.redirected > 0);

UPDATE day_sums d
SET (dtmf_answered, pdd_us, pdd_count, effective, redirected)
  = (h.dtmf_answered, h.pdd_us, h.pdd_count, h.effective, h.redirected)
FROM (
    SELECT account_id, customer_id, date_trunc('day', hour, 'UTC') AS day,
           sum(dtmf_answered) AS dtmf_answered, sum(pdd_us) AS pdd_us,
           sum(pdd_count) AS pdd_count, sum(effective) AS effective, sum(redirected) AS redirected
    FROM hours GROUP BY 1, 2, 3
) h
WHERE d.account_id = h.account_id AND d.customer_id = h.customer_id AND d.day = h.day;

UPDATE month_sums m
SET (dtmf_answered, pdd_us, pdd_count, effective, redirected)
  = (d.dtmf_answered, d.pdd_us, d.pdd_count, d.effective, d.redirected)
FROM (
    SELECT account_id, customer_id, date_trunc('month', day, 'UTC') AS month,
           sum(dtmf_answered) AS dtmf_answered, sum(pdd_us) AS pdd_us,
           sum(pdd_count) AS pdd_count, sum(effective) AS effective, sum(redirected) AS redirected
    FROM day_sums GROUP BY 1, 2, 3
) d
WHERE m.account_id = d.account_id AND m.customer_id = d.customer_id AND m.month = d.month;
