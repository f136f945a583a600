-- One scope's gauge. ARGV: scope, now in µs ('' for Redis's own time).
-- Returns {sequence, now, attempts in the last 10 full seconds, {{carrier, calls}, ...}}.
local scope = tonumber(ARGV[1])
local redis_now = redis_us()
local now = tonumber(ARGV[2]) or redis_now
local WINDOW = 10 -- seconds

local function attempts()
  local second, names, sum = math.floor(now / 1000000), {}, 0
  for i = 1, WINDOW do names[i] = key('attempts', scope, second - i) end
  for _, count in ipairs(redis.call('MGET', unpack(names))) do
    sum = sum + (tonumber(count) or 0)
  end
  return sum
end

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
local shown = redis.call('HMGET', key('gauge', scope), 'sequence', 'attempts')
local sequence, recent = shown[1], attempts()
if not sequence or tonumber(shown[2] or 0) ~= recent then
  sequence = next_sequence(scope, redis_now)
  redis.call('HSET', key('gauge', scope), 'attempts', recent)
end
return cmsgpack.pack({tonumber(sequence), now, recent, by_carrier()})
