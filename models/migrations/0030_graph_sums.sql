-- What graphs and the parts of a summary row are read from: by carrier and day, by country of the
-- destination, by minute (30 days), the side that released the call, and histograms of delays.
-- Reads `call_records` twice and `rollups` three times. Other transactions cannot use the sums until
-- the commit.
LOCK TABLE hours IN SHARE ROW EXCLUSIVE MODE;

-- ISO 3166 alpha-2 of the destination. Null: unknown, or stored before this migration.
ALTER TABLE call_records ADD COLUMN country text;

ALTER TABLE rollups
    ADD COLUMN effective bigint NOT NULL DEFAULT 0,
    ADD COLUMN redirected bigint NOT NULL DEFAULT 0,
    ADD COLUMN released_caller bigint NOT NULL DEFAULT 0,
    ADD COLUMN released_callee bigint NOT NULL DEFAULT 0,
    ADD COLUMN released_other bigint NOT NULL DEFAULT 0;    -- by any other side, such as 'system'

CREATE TABLE carrier_days (
    account_id      bigint NOT NULL,
    customer_id     bigint NOT NULL,
    day             timestamptz NOT NULL,            -- start of a UTC day; the sums of its `rollups`
    carrier_id      bigint NOT NULL,                 -- 0: none was chosen
    attempts        bigint NOT NULL,
    answered        bigint NOT NULL,
    talk_us         bigint NOT NULL,
    billed_seconds  bigint NOT NULL,
    charge          numeric NOT NULL,
    unrated         bigint NOT NULL,
    dtmf_answered   bigint NOT NULL,
    pdd_us          numeric NOT NULL,
    pdd_count       bigint NOT NULL,
    effective       bigint NOT NULL,
    redirected      bigint NOT NULL,
    released_caller bigint NOT NULL,
    released_callee bigint NOT NULL,
    released_other  bigint NOT NULL,
    legs            bigint NOT NULL,
    legs_answered   bigint NOT NULL,
    legs_talk_us    bigint NOT NULL,
    legs_pdd_us     numeric NOT NULL,
    legs_pdd_count  bigint NOT NULL,
    cost            numeric NOT NULL,
    uncosted        bigint NOT NULL,
    PRIMARY KEY (account_id, customer_id, day, carrier_id)
) WITH (fillfactor = 80);
CREATE INDEX carrier_days_day ON carrier_days (account_id, day);

CREATE TABLE country_slots (
    account_id      bigint NOT NULL,
    customer_id     bigint NOT NULL,
    slot            timestamptz NOT NULL,            -- start of a quarter of an hour
    carrier_id      bigint NOT NULL,                 -- 0: none was chosen
    country         text COLLATE "C" NOT NULL,         -- ISO 3166 alpha-2; '': unknown
    attempts        bigint NOT NULL,
    answered        bigint NOT NULL,
    talk_us         bigint NOT NULL,
    billed_seconds  bigint NOT NULL,
    charge          numeric NOT NULL,
    unrated         bigint NOT NULL,
    dtmf_answered   bigint NOT NULL,
    pdd_us          numeric NOT NULL,
    pdd_count       bigint NOT NULL,
    effective       bigint NOT NULL,
    redirected      bigint NOT NULL,
    released_caller bigint NOT NULL,
    released_callee bigint NOT NULL,
    released_other  bigint NOT NULL,
    legs            bigint NOT NULL,
    legs_answered   bigint NOT NULL,
    legs_talk_us    bigint NOT NULL,
    legs_pdd_us     numeric NOT NULL,
    legs_pdd_count  bigint NOT NULL,
    cost            numeric NOT NULL,
    uncosted        bigint NOT NULL,
    PRIMARY KEY (account_id, customer_id, slot, carrier_id, country)
);
CREATE INDEX country_slots_slot ON country_slots (account_id, slot);

CREATE TABLE country_days (
    account_id      bigint NOT NULL,
    customer_id     bigint NOT NULL,
    day             timestamptz NOT NULL,            -- start of a UTC day
    carrier_id      bigint NOT NULL,                 -- 0: none was chosen
    country         text COLLATE "C" NOT NULL,         -- ISO 3166 alpha-2; '': unknown
    attempts        bigint NOT NULL,
    answered        bigint NOT NULL,
    talk_us         bigint NOT NULL,
    billed_seconds  bigint NOT NULL,
    charge          numeric NOT NULL,
    unrated         bigint NOT NULL,
    dtmf_answered   bigint NOT NULL,
    pdd_us          numeric NOT NULL,
    pdd_count       bigint NOT NULL,
    effective       bigint NOT NULL,
    redirected      bigint NOT NULL,
    released_caller bigint NOT NULL,
    released_callee bigint NOT NULL,
    released_other  bigint NOT NULL,
    legs            bigint NOT NULL,
    legs_answered   bigint NOT NULL,
    legs_talk_us    bigint NOT NULL,
    legs_pdd_us     numeric NOT NULL,
    legs_pdd_count  bigint NOT NULL,
    cost            numeric NOT NULL,
    uncosted        bigint NOT NULL,
    PRIMARY KEY (account_id, customer_id, day, carrier_id, country)
) WITH (fillfactor = 80);
CREATE INDEX country_days_day ON country_days (account_id, day);

-- Of hours that began in the last 30 days when they were rebuilt.
CREATE TABLE minute_sums (
    account_id      bigint NOT NULL,
    customer_id     bigint NOT NULL,
    minute          timestamptz NOT NULL,            -- removed 31 days after it
    carrier_id      bigint NOT NULL,                 -- 0: none was chosen
    country         text COLLATE "C" NOT NULL,         -- ISO 3166 alpha-2; '': unknown
    attempts        bigint NOT NULL,
    answered        bigint NOT NULL,
    talk_us         bigint NOT NULL,
    billed_seconds  bigint NOT NULL,
    charge          numeric NOT NULL,
    unrated         bigint NOT NULL,
    dtmf_answered   bigint NOT NULL,
    pdd_us          numeric NOT NULL,
    pdd_count       bigint NOT NULL,
    effective       bigint NOT NULL,
    redirected      bigint NOT NULL,
    released_caller bigint NOT NULL,
    released_callee bigint NOT NULL,
    released_other  bigint NOT NULL,
    legs            bigint NOT NULL,
    legs_answered   bigint NOT NULL,
    legs_talk_us    bigint NOT NULL,
    legs_pdd_us     numeric NOT NULL,
    legs_pdd_count  bigint NOT NULL,
    cost            numeric NOT NULL,
    uncosted        bigint NOT NULL,
    PRIMARY KEY (account_id, customer_id, minute, carrier_id, country)
);
CREATE INDEX minute_sums_minute ON minute_sums (account_id, minute);

-- Histograms of post-dial delays. Each number is a bucket << 32 | its count, in order of the buckets
-- (domain/summaries/delays.py).
CREATE TABLE pdd_minutes (
    account_id  bigint NOT NULL,
    customer_id bigint NOT NULL,
    minute      timestamptz NOT NULL,                -- removed 31 days after it
    carrier_id  bigint NOT NULL,
    attempts    bigint[] NOT NULL,                   -- final legs, from setup to the first 18x
    legs        bigint[] NOT NULL,                   -- every leg, from its offer to the first 18x
    PRIMARY KEY (account_id, customer_id, minute, carrier_id)
);
CREATE INDEX pdd_minutes_minute ON pdd_minutes (account_id, minute);

CREATE TABLE pdd_slots (
    account_id  bigint NOT NULL,
    customer_id bigint NOT NULL,
    slot        timestamptz NOT NULL,                -- start of a quarter of an hour
    carrier_id  bigint NOT NULL,
    attempts    bigint[] NOT NULL,                   -- final legs, from setup to the first 18x
    legs        bigint[] NOT NULL,                   -- every leg, from its offer to the first 18x
    PRIMARY KEY (account_id, customer_id, slot, carrier_id)
);
CREATE INDEX pdd_slots_slot ON pdd_slots (account_id, slot);

CREATE TABLE pdd_days (
    account_id  bigint NOT NULL,
    customer_id bigint NOT NULL,
    day         timestamptz NOT NULL,                -- start of a UTC day
    carrier_id  bigint NOT NULL,
    attempts    bigint[] NOT NULL,                   -- final legs, from setup to the first 18x
    legs        bigint[] NOT NULL,                   -- every leg, from its offer to the first 18x
    PRIMARY KEY (account_id, customer_id, day, carrier_id)
) WITH (fillfactor = 80);
CREATE INDEX pdd_days_day ON pdd_days (account_id, day);

-- From the records that still exist.
CREATE TEMPORARY TABLE record_grains ON COMMIT DROP AS
SELECT account_id, customer_id, carrier_id,
       date_bin('1 minute', setup_at, 'epoch'::timestamptz) AS minute,
       count(*) FILTER (WHERE final) AS attempts,
       count(answer_at) FILTER (WHERE final) AS answered,
       coalesce(sum(talk_us) FILTER (WHERE final), 0) AS talk_us,
       coalesce(sum(billed_seconds) FILTER (WHERE final), 0) AS billed_seconds,
       coalesce(sum(charge) FILTER (WHERE final), 0) AS charge,
       count(*) FILTER (WHERE final AND charge IS NULL) AS unrated,
       count(*) FILTER (WHERE final AND dtmf_digits > 0 AND answer_at IS NOT NULL)
           AS dtmf_answered,
       coalesce(extract(epoch FROM sum(ringing_at - setup_at) FILTER (WHERE final)) * 1000000, 0)
           AS pdd_us,
       count(ringing_at) FILTER (WHERE final) AS pdd_count,
       count(*) FILTER (WHERE final AND sip_code IN (200, 480, 486, 600, 603)) AS effective,
       count(*) FILTER (WHERE final AND sip_code BETWEEN 300 AND 399) AS redirected,
       count(*) FILTER (WHERE final AND released_by = 'caller') AS released_caller,
       count(*) FILTER (WHERE final AND released_by = 'callee') AS released_callee,
       count(*) FILTER (WHERE final AND released_by NOT IN ('caller', 'callee')) AS released_other,
       count(*) AS legs,
       count(answer_at) AS legs_answered,
       coalesce(sum(talk_us), 0) AS legs_talk_us,
       coalesce(extract(epoch FROM sum(ringing_at - offered_at)) * 1000000, 0) AS legs_pdd_us,
       count(ringing_at) AS legs_pdd_count,
       coalesce(sum(cost), 0) AS cost,
       count(*) FILTER (WHERE cost IS NULL AND answer_at IS NOT NULL) AS uncosted
FROM call_records GROUP BY 1, 2, 3, 4;

UPDATE rollups r
SET (effective, redirected, released_caller, released_callee, released_other)
  = (g.effective, g.redirected, g.released_caller, g.released_callee, g.released_other)
FROM (
    SELECT account_id, customer_id, carrier_id,
           date_bin('15 minutes', minute, 'epoch'::timestamptz) AS slot,
           sum(effective) AS effective, sum(redirected) AS redirected,
           sum(released_caller) AS released_caller, sum(released_callee) AS released_callee,
           sum(released_other) AS released_other
    FROM record_grains GROUP BY 1, 2, 3, 4
) g
WHERE r.account_id = g.account_id AND r.customer_id = g.customer_id
  AND r.carrier_id = g.carrier_id AND r.slot = g.slot;

-- Hours without records: the SIP codes of an hour and carrier are known, but not those of a slot. The
-- first attempts count as effective, the last ones as redirected, so that the hour is exact.
UPDATE rollups r
SET (effective, redirected) = (s.effective, s.redirected)
FROM (
    SELECT r.account_id, r.customer_id, r.slot, r.carrier_id,
           greatest(0, least(r.attempts, c.effective - (sum(r.attempts) OVER forward - r.attempts)))
               AS effective,
           greatest(0, least(r.attempts,
                             c.redirected - (sum(r.attempts) OVER backward - r.attempts)))
               AS redirected
    FROM rollups r
    JOIN (
        SELECT account_id, customer_id, carrier_id, hour,
               coalesce(sum(attempts) FILTER (WHERE sip_code IN (200, 480, 486, 600, 603)), 0)
                   AS effective,
               coalesce(sum(attempts) FILTER (WHERE sip_code BETWEEN 300 AND 399), 0) AS redirected
        FROM rollup_codes k
        WHERE NOT EXISTS (
            SELECT 1 FROM record_grains g
            WHERE g.account_id = k.account_id AND g.customer_id = k.customer_id
              AND date_trunc('hour', g.minute, 'UTC') = k.hour
        )
        GROUP BY 1, 2, 3, 4
    ) c ON c.account_id = r.account_id AND c.customer_id = r.customer_id
       AND c.carrier_id = r.carrier_id AND c.hour = date_trunc('hour', r.slot, 'UTC')
    WINDOW forward AS (PARTITION BY r.account_id, r.customer_id, r.carrier_id, c.hour
                       ORDER BY r.slot),
           backward AS (PARTITION BY r.account_id, r.customer_id, r.carrier_id, c.hour
                        ORDER BY r.slot DESC)
) s
WHERE r.account_id = s.account_id AND r.customer_id = s.customer_id AND r.slot = s.slot
  AND r.carrier_id = s.carrier_id AND (s.effective > 0 OR s.redirected > 0);

INSERT INTO carrier_days (account_id, customer_id, day, carrier_id,
       attempts, answered, talk_us, billed_seconds, charge, unrated, dtmf_answered, pdd_us,
       pdd_count, effective, redirected, released_caller, released_callee, released_other, legs,
       legs_answered, legs_talk_us, legs_pdd_us, legs_pdd_count, cost, uncosted)
SELECT account_id, customer_id, date_trunc('day', slot, 'UTC'), carrier_id,
       sum(attempts), sum(answered), sum(talk_us), sum(billed_seconds), sum(charge), sum(unrated),
       sum(dtmf_answered), sum(pdd_us), sum(pdd_count), sum(effective), sum(redirected),
       sum(released_caller), sum(released_callee), sum(released_other), sum(legs),
       sum(legs_answered), sum(legs_talk_us), sum(legs_pdd_us), sum(legs_pdd_count), sum(cost),
       sum(uncosted)
FROM rollups GROUP BY 1, 2, 3, 4;

INSERT INTO country_slots (account_id, customer_id, slot, carrier_id, country,
       attempts, answered, talk_us, billed_seconds, charge, unrated, dtmf_answered, pdd_us,
       pdd_count, effective, redirected, released_caller, released_callee, released_other, legs,
       legs_answered, legs_talk_us, legs_pdd_us, legs_pdd_count, cost, uncosted)
SELECT account_id, customer_id, slot, carrier_id, '',
       attempts, answered, talk_us, billed_seconds, charge, unrated, dtmf_answered, pdd_us,
       pdd_count, effective, redirected, released_caller, released_callee, released_other, legs,
       legs_answered, legs_talk_us, legs_pdd_us, legs_pdd_count, cost, uncosted
FROM rollups;

INSERT INTO country_days (account_id, customer_id, day, carrier_id, country,
       attempts, answered, talk_us, billed_seconds, charge, unrated, dtmf_answered, pdd_us,
       pdd_count, effective, redirected, released_caller, released_callee, released_other, legs,
       legs_answered, legs_talk_us, legs_pdd_us, legs_pdd_count, cost, uncosted)
SELECT account_id, customer_id, day, carrier_id, '',
       attempts, answered, talk_us, billed_seconds, charge, unrated, dtmf_answered, pdd_us,
       pdd_count, effective, redirected, released_caller, released_callee, released_other, legs,
       legs_answered, legs_talk_us, legs_pdd_us, legs_pdd_count, cost, uncosted
FROM carrier_days;

INSERT INTO minute_sums (account_id, customer_id, minute, carrier_id, country,
       attempts, answered, talk_us, billed_seconds, charge, unrated, dtmf_answered, pdd_us,
       pdd_count, effective, redirected, released_caller, released_callee, released_other, legs,
       legs_answered, legs_talk_us, legs_pdd_us, legs_pdd_count, cost, uncosted)
SELECT account_id, customer_id, minute, carrier_id, '',
       attempts, answered, talk_us, billed_seconds, charge, unrated, dtmf_answered, pdd_us,
       pdd_count, effective, redirected, released_caller, released_callee, released_other, legs,
       legs_answered, legs_talk_us, legs_pdd_us, legs_pdd_count, cost, uncosted
FROM record_grains WHERE minute >= date_trunc('hour', now(), 'UTC') - interval '30 days';

CREATE TEMPORARY TABLE record_delays ON COMMIT DROP AS
SELECT account_id, customer_id, carrier_id, minute, bucket, sum(attempts)::bigint AS attempts,
       sum(legs)::bigint AS legs
FROM (
    SELECT account_id, customer_id, carrier_id,
           date_bin('1 minute', setup_at, 'epoch'::timestamptz) AS minute, final,
           width_bucket(date_part('epoch', ringing_at - setup_at), bounds) AS pdd_bucket,
           width_bucket(date_part('epoch', ringing_at - offered_at), bounds) AS legs_bucket,
           count(*) AS delays
    FROM call_records, (SELECT ARRAY[
    0.001, 0.0011, 0.00121, 0.001331, 0.001464, 0.00161, 0.001771, 0.001948, 0.002142, 0.002356,
    0.002591, 0.00285, 0.003135, 0.003448, 0.003792, 0.004171, 0.004588, 0.005046, 0.00555,
    0.006105, 0.006715, 0.007386, 0.008124, 0.008936, 0.009829, 0.010811, 0.011892, 0.013081,
    0.014389, 0.015827, 0.017409, 0.019149, 0.021063, 0.023169, 0.025485, 0.028033, 0.030836,
    0.033919, 0.03731, 0.041041, 0.045145, 0.049659, 0.054624, 0.060086, 0.066094, 0.072703,
    0.079973, 0.08797, 0.096767, 0.106443, 0.117087, 0.128795, 0.141674, 0.155841, 0.171425,
    0.188567, 0.207423, 0.228165, 0.250981, 0.276079, 0.303686, 0.334054, 0.367459, 0.404204,
    0.444624, 0.489086, 0.537994, 0.591793, 0.650972, 0.716069, 0.787675, 0.866442, 0.953086,
    1.048394, 1.153233, 1.268556, 1.395411, 1.534952, 1.688447, 1.857291, 2.04302, 2.247322,
    2.472054, 2.719259, 2.991184, 3.290302, 3.619332, 3.981265, 4.379391, 4.81733, 5.299063,
    5.828969, 6.411865, 7.053051, 7.758356, 8.534191, 9.38761, 10.326371, 11.359008, 12.494908,
    13.744398, 15.118837, 16.63072, 18.293792, 20.123171, 22.135488, 24.349036, 26.783939,
    29.462332, 32.408565, 35.649421, 39.214363, 43.135799, 47.449378, 52.194315, 57.413746,
    63.15512, 69.470632, 76.417695, 84.059464, 92.46541, 101.711951, 111.883146, 123.07146,
    135.378606, 148.916466, 163.808112, 180.188923, 198.207815, 218.028596, 239.831455,
    263.8146, 290.19606, 319.215666, 351.137232, 386.250955, 424.87605, 467.363655, 514.10002,
    565.510022, 622.061024, 684.267126, 752.693838, 827.963221, 910.759543, 1001.835497,
    1102.019046, 1212.22095, 1333.443045, 1466.787349, 1613.466083, 1774.812691, 1952.29396,
    2147.523356, 2362.275691, 2598.50326, 2858.353586, 3144.188944, 3458.607838, 3804.468621,
    4184.915483, 4603.407031, 5063.747734, 5570.122507, 6127.134757, 6739.848232, 7413.833055,
    8155.21636, 8970.737996, 9867.811795, 10854.592974, 11940.052271, 13134.057498,
    14447.463247, 15892.209571, 17481.430528, 19229.57358, 21152.530938, 23267.784031,
    25594.562434, 28154.018677, 30969.420544, 34066.362598, 37472.998857, 41220.298742,
    45342.328616, 49876.561477, 54864.217624, 60350.639386, 66385.703324, 73024.273656,
    80326.701021, 88359.371123
    ]::float8[] AS bounds) AS fixed
    WHERE ringing_at IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7
) AS counts,
LATERAL (
    VALUES (pdd_bucket, CASE WHEN final THEN delays ELSE 0 END, 0), (legs_bucket, 0, delays)
) AS views (bucket, attempts, legs)
GROUP BY 1, 2, 3, 4, 5;

INSERT INTO pdd_minutes (account_id, customer_id, minute, carrier_id, attempts, legs)
SELECT account_id, customer_id, start, carrier_id,
       coalesce(array_agg(bucket::bigint << 32 | attempts ORDER BY bucket)
                FILTER (WHERE attempts > 0), '{}'),
       coalesce(array_agg(bucket::bigint << 32 | legs ORDER BY bucket)
                FILTER (WHERE legs > 0), '{}')
FROM (
    SELECT account_id, customer_id, minute AS start, carrier_id,
           bucket, sum(attempts)::bigint AS attempts, sum(legs)::bigint AS legs
    FROM record_delays WHERE minute >= date_trunc('hour', now(), 'UTC') - interval '30 days' GROUP BY 1, 2, 3, 4, 5
) AS sums
GROUP BY 1, 2, 3, 4;

INSERT INTO pdd_slots (account_id, customer_id, slot, carrier_id, attempts, legs)
SELECT account_id, customer_id, start, carrier_id,
       coalesce(array_agg(bucket::bigint << 32 | attempts ORDER BY bucket)
                FILTER (WHERE attempts > 0), '{}'),
       coalesce(array_agg(bucket::bigint << 32 | legs ORDER BY bucket)
                FILTER (WHERE legs > 0), '{}')
FROM (
    SELECT account_id, customer_id, date_bin('15 minutes', minute, 'epoch'::timestamptz) AS start, carrier_id,
           bucket, sum(attempts)::bigint AS attempts, sum(legs)::bigint AS legs
    FROM record_delays GROUP BY 1, 2, 3, 4, 5
) AS sums
GROUP BY 1, 2, 3, 4;

INSERT INTO pdd_days (account_id, customer_id, day, carrier_id, attempts, legs)
SELECT account_id, customer_id, start, carrier_id,
       coalesce(array_agg(bucket::bigint << 32 | attempts ORDER BY bucket)
                FILTER (WHERE attempts > 0), '{}'),
       coalesce(array_agg(bucket::bigint << 32 | legs ORDER BY bucket)
                FILTER (WHERE legs > 0), '{}')
FROM (
    SELECT account_id, customer_id, date_trunc('day', minute, 'UTC') AS start, carrier_id,
           bucket, sum(attempts)::bigint AS attempts, sum(legs)::bigint AS legs
    FROM record_delays GROUP BY 1, 2, 3, 4, 5
) AS sums
GROUP BY 1, 2, 3, 4;
