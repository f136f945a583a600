-- One scope's gauge. ARGV: scope, now in µs ('' for Redis's own time), the last sequence that the
-- reader has shown (0: none).
-- Returns {sequence, now, attempts in the last 10 full seconds, {{carrier, calls}, ...}, database}.
local scope, floor = tonumber(ARGV[1]), tonumber(ARGV[3])
local redis_now = redis_us()
local now = tonumber(ARGV[2]) or redis_now

-- Attempts pass out of the window without an event: then this reading is a new state.
local recent = recent_attempts(scope, math.floor(now / 1000000))
local sequence = shown_sequence(key('gauge', scope), digits(recent), redis_now, floor)
return cmsgpack.pack({sequence, now, recent, by_carrier(scope), DATABASE})
