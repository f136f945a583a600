-- One scope's gauge. ARGV: scope, now in µs ('' for Redis's own time), the last sequence that the
-- reader has shown (0: none).
-- Returns {sequence, now, attempts in the last 10 full seconds, {{carrier, calls}, ...}}.
local scope, floor = tonumber(ARGV[1]), tonumber(ARGV[3])
local redis_now = redis_us()
local now = tonumber(ARGV[2]) or redis_now

local function by_carrier()
  local counts = {}
  for _, carrier in ipairs(redis.call('SMEMBERS', key('carriers', scope))) do
    local count = redis.call('SCARD', key('standing', scope, tonumber(carrier)))
    if count > 0 then
      counts[#counts + 1] = {tonumber(carrier), count}
    else
      redis.call('SREM', key('carriers', scope), carrier)
    end
  end
  return counts
end

-- Attempts pass out of the window without an event: then this reading is a new state.
local recent = recent_attempts(scope, math.floor(now / 1000000))
local sequence = shown_sequence(key('gauge', scope), digits(recent), redis_now, floor)
return cmsgpack.pack({sequence, now, recent, by_carrier()})
