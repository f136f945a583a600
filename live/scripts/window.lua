-- Shared by the scripts of the sliding window: sums of the attempts that ended, by second and minute.
-- A scope's hash is a ring: a field stands for every second (or minute) of the same rest.
local RING = 1320 -- seconds: those of a tombstone, and those an end may lie ahead of us
local STEPS = {1, 60}
local SUMS = '>I4I4I4I8I8I4' -- start, attempts, answered, talk, PDD (both µs), attempts with a PDD
local WINDOW_TTL = 1400 -- seconds

local function slot(step, start)
  return step .. ':' .. start % RING
end

-- counted: {customer, second, answered (0 or 1), talk, PDD or false}
local function add_ended(batch, counted, sign)
  local customer, second, answered, talk, pdd = unpack(counted)
  if second <= math.floor((batch.now - TOMBSTONE_US) / 1000000) then return end
  for _, scope in ipairs({customer, WHOLE_ACCOUNT}) do
    batch.ended[scope] = batch.ended[scope] or {}
    local sums = batch.ended[scope][second] or {0, 0, 0, 0, 0}
    batch.ended[scope][second] = sums
    sums[1], sums[2], sums[3] = sums[1] + sign, sums[2] + sign * answered, sums[3] + sign * talk
    if pdd then sums[4], sums[5] = sums[4] + sign * pdd, sums[5] + sign end
  end
end

local function add_to_slot(name, field, start, sums)
  local packed = redis.call('HGET', name, field)
  local known = {0, 0, 0, 0, 0, 0}
  if packed then known = {struct.unpack(SUMS, packed)} end
  if known[1] ~= start then known = {start, 0, 0, 0, 0, 0} end
  for i = 1, 5 do known[i + 1] = known[i + 1] + sums[i] end
  redis.call('HSET', name, field, struct.pack(SUMS, unpack(known, 1, 6)))
end

local function store_ended(batch)
  for scope, seconds in pairs(batch.ended) do
    local name = key('ended', scope)
    for second, sums in pairs(seconds) do
      for _, step in ipairs(STEPS) do
        local start = second - second % step
        add_to_slot(name, slot(step, start), start, sums)
      end
    end
    redis.call('EXPIRE', name, WINDOW_TTL)
    redis.call('PUBLISH', key('stats', scope), 1)
  end
end
