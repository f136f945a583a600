-- The gauge of a scope. ARGV: scope, now in µs ('' for the time of Redis), the last sequence that
-- the reader has shown (0: none).
-- Returns {sequence, now, attempts in the last 10 full seconds, {{carrier, calls}, ...}, database,
-- completeness}.
local scope, floor = tonumber(ARGV[1]), tonumber(ARGV[3])
local redis_now = redis_us()
local now = tonumber(ARGV[2]) or redis_now

-- Attempts leave the window without an event, which makes this read a new state.
local recent = recent_attempts(scope, math.floor(now / 1000000))
local completeness_now = completeness(redis_now)
local figures = figures_of(recent, completeness_now)
local sequence = shown_sequence(key('gauge', scope), figures, redis_now, floor)
return cmsgpack.pack({sequence, now, recent, by_carrier(scope), DATABASE, completeness_now})
