-- Leaky buckets of an account: spent cost leaks from each at a constant rate. A cost is spent from
-- all of them, or from none.
-- ARGV: the cost, then for each bucket its name, capacity, leak per second, and reserve that cannot
-- be spent.
-- Returns the smallest remaining cost; the milliseconds to wait (0: the cost was spent); and the
-- number of the bucket that decides both, from 1.
local cost = tonumber(ARGV[1])
local count = math.floor((#ARGV - 1) / 4)
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local names, levels, rates = {}, {}, {}
local least, wait, decides = nil, 0, 1
for n = 1, count do
  local at = 4 * n - 2
  local capacity = tonumber(ARGV[at + 1]) - tonumber(ARGV[at + 3])
  names[n] = KEYS[1] .. string.format(PATTERNS.bucket, ARGV[at])
  rates[n] = tonumber(ARGV[at + 2])
  local stored = redis.call('HMGET', names[n], 'level', 'at')
  local passed = math.max(0, now - (tonumber(stored[2]) or now))
  levels[n] = math.max(0, (tonumber(stored[1]) or 0) - passed * rates[n] / 1000000)
  local left = capacity - levels[n]
  local full = math.ceil((cost - left) * 1000 / rates[n])
  if full > wait or (wait == 0 and full <= 0 and (least == nil or left < least)) then
    least, wait, decides = left, math.max(0, full), n
  end
end
if wait > 0 then
  return cmsgpack.pack({math.floor(math.max(0, least)), wait, decides})
end
for n = 1, count do
  local level = levels[n] + cost
  redis.call('HSET', names[n], 'level', string.format('%.6f', level), 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', names[n], math.ceil(level * 1000 / rates[n]) + 1)
end
return cmsgpack.pack({math.floor(least - cost), 0, decides})
