-- All active calls at once. Returns {completeness, whether they are current, {{customer,
-- {{carrier, calls}, ...}}, ...}}. Customer 0 is the account, which is always listed first; other
-- customers only if they have calls.
local TOLERANCE_US = 1000000 -- of the time of a beat
local REPAIR_US = 30000000 -- a switch that sends snapshots has repaired a hole by then

-- Is the next beat of the switch late, or is a hole in its numbers not repaired yet? Its calls may
-- then have changed. A switch without beats is never late.
local function is_late(switch, now_us)
  local hole = switch.hole
  if hole and now_us - hole < REPAIR_US then return true end
  local silent_from = tonumber(redis.call('ZSCORE', key('beats'), switch.name) or 0)
  if silent_from <= now_us - GONE_US then return false end
  local silence = switch.silence or MAX_SILENCE_US
  local every = switch.every or silence / 2
  return now_us > silent_from - silence + every + TOLERANCE_US
end

local function are_current(now_us)
  for _, name in ipairs(redis.call('SMEMBERS', key('switches'))) do
    if is_late(load_switch(name), now_us) then return false end
  end
  return true
end

local function sum(counts)
  local calls = 0
  for _, count in ipairs(counts) do calls = calls + count[2] end
  return calls
end

local function by_customer()
  local customers, calls = {}, 0
  for _, id in ipairs(redis.call('SMEMBERS', key('customers'))) do
    local counts = by_carrier(tonumber(id))
    if counts[1] then
      customers[#customers + 1] = {tonumber(id), counts}
      calls = calls + sum(counts)
    else
      redis.call('SREM', key('customers'), id)
    end
  end
  return customers, calls
end

-- A process of an older version counts calls without storing their customers.
local function store_customers()
  for _, name in ipairs(redis.call('SMEMBERS', key('switches'))) do
    local ids = redis.call('ZRANGE', key('up', name), 0, -1)
    for first = 1, #ids, SLICE do
      local last = math.min(first + SLICE - 1, #ids)
      for _, packed in ipairs(redis.call('HMGET', key('calls', name), unpack(ids, first, last))) do
        if packed then redis.call('SADD', key('customers'), digits(cmsgpack.unpack(packed)[2])) end
      end
    end
  end
end

local now_us = redis_us()
local account = by_carrier(WHOLE_ACCOUNT)
local customers, calls = by_customer()
if calls ~= sum(account) then
  store_customers()
  customers, calls = by_customer()
end
table.insert(customers, 1, {WHOLE_ACCOUNT, account})
return cmsgpack.pack({
  completeness(now_us), calls == sum(account) and are_current(now_us), customers
})
