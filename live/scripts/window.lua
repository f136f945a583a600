-- The sliding window: sums of ended attempts, by second and (for faster reads) by minute. The hash
-- of a scope is a ring: seconds (or minutes) with the same remainder share a field.
local RING_SECONDS = 1320 -- the age of a tombstone, and how far an end may be in the future
local SUMS = '>I4I4I4I8I8I4' -- start, attempts, answered, talk, PDD (both µs), attempts with a PDD
local COUNTED_AS = '>I8I4I4I8i8' -- customer, second, answered (0 or 1), talk, PDD
local NO_PDD = -1
local WINDOW_TTL_SECONDS = 1400

local function slot(step, start)
  return step .. ':' .. start % RING_SECONDS
end

local function is_recent(batch, second)
  return second > math.floor((batch.now - TOMBSTONE_US) / 1000000)
end

local function add_to_second(seconds, sign, second, answered, talk, pdd)
  local sums = seconds[second]
  if not sums then
    sums = {0, 0, 0, 0, 0}
    seconds[second] = sums
  end
  sums[1], sums[2], sums[3] = sums[1] + sign, sums[2] + sign * answered, sums[3] + sign * talk
  if pdd ~= NO_PDD then sums[4], sums[5] = sums[4] + sign * pdd, sums[5] + sign end
end

-- Attempts older than every window are ignored, because another second may use their slot.
local function add_attempt(batch, sign, customer, second, answered, talk, pdd)
  if not is_recent(batch, second) then return end
  local ended = batch.ended
  ended[customer] = ended[customer] or {}
  ended[WHOLE_ACCOUNT] = ended[WHOLE_ACCOUNT] or {}
  add_to_second(ended[customer], sign, second, answered, talk, pdd)
  add_to_second(ended[WHOLE_ACCOUNT], sign, second, answered, talk, pdd)
end

local function add_to_slot(name, step, start, sums)
  local field, attempts, answered, talk, pdd, rung = slot(step, start), unpack(sums)
  local packed = redis.call('HGET', name, field)
  if packed then
    local known, a, b, c, d, e = struct.unpack(SUMS, packed)
    if known == start then
      attempts, answered, talk, pdd, rung = attempts + a, answered + b, talk + c, pdd + d, rung + e
    end
  end
  redis.call('HSET', name, field, struct.pack(SUMS, start, attempts, answered, talk, pdd, rung))
end

local function by_minute(seconds)
  local minutes = {}
  for second, sums in pairs(seconds) do
    local minute = second - second % 60
    local known = minutes[minute] or {0, 0, 0, 0, 0}
    minutes[minute] = known
    for i = 1, 5 do known[i] = known[i] + sums[i] end
  end
  return minutes
end

local function store_ended(batch)
  for scope, seconds in pairs(batch.ended) do
    local name = key('ended', scope)
    for second, sums in pairs(seconds) do add_to_slot(name, 1, second, sums) end
    for minute, sums in pairs(by_minute(seconds)) do add_to_slot(name, 60, minute, sums) end
    redis.call('EXPIRE', name, WINDOW_TTL_SECONDS)
    redis.call('PUBLISH', key('stats', scope), 1)
  end
end
