-- Leaky buckets of tries: a try counts in all of them, or in none if one is full.
-- KEYS: the buckets, then the key of a trusted name. ARGV: the number of tries (negative: reverses
-- them; 0: only checks for one), the number of buckets (the last ones) that do not apply to a
-- trusted name, then for each bucket its capacity and the milliseconds in which a try leaks.
-- Returns 0, or the milliseconds to wait.
local tries, skipped = tonumber(ARGV[1]), tonumber(ARGV[2])
local count = #KEYS - 1
if redis.call('EXISTS', KEYS[#KEYS]) == 1 then count = count - skipped end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local levels, wait = {}, 0
for n = 1, count do
  local capacity, runs_out = tonumber(ARGV[1 + 2 * n]), tonumber(ARGV[2 + 2 * n])
  local stored = redis.call('HMGET', KEYS[n], 'level', 'at')
  local passed = math.max(0, now - (tonumber(stored[2]) or now))
  levels[n] = math.max(0, (tonumber(stored[1]) or 0) - passed / runs_out) + tries
  local full = levels[n] + (tries == 0 and 1 or 0) - capacity
  if tries >= 0 and full > 0 then wait = math.max(wait, math.ceil(full * runs_out)) end
end
if wait > 0 or tries == 0 then return wait end
for n = 1, count do
  if levels[n] <= 0 then
    redis.call('DEL', KEYS[n])
  else
    redis.call('HSET', KEYS[n], 'level', string.format('%.6f', levels[n]), 'at', string.format('%.0f', now))
    redis.call('PEXPIRE', KEYS[n], math.ceil(levels[n] * tonumber(ARGV[2 + 2 * n])) + 1000)
  end
end
return 0
