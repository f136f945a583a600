-- A leaky bucket: what an account has spent runs out of it at an even pace.
-- ARGV: what is to be spent, the bucket's capacity, what runs out a second.
-- Returns what is left, and the milliseconds after which there is room; 0: it is spent.
local cost, capacity, per_second = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local name = KEYS[1] .. PATTERNS.bucket
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local stored = redis.call('HMGET', name, 'level', 'at')
local passed = math.max(0, now - (tonumber(stored[2]) or now))
local level = math.max(0, (tonumber(stored[1]) or 0) - passed * per_second / 1000000)
local over = level + cost - capacity
if over > 0 then
  return cmsgpack.pack({math.floor(math.max(0, capacity - level)), math.ceil(over * 1000 / per_second)})
end
level = level + cost
redis.call('HSET', name, 'level', string.format('%.6f', level), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', name, math.ceil(level * 1000 / per_second) + 1)
return cmsgpack.pack({math.floor(capacity - level), 0})
