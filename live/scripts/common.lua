-- Shared by all scripts: keys, a switch's state and numbering, the gauges.
-- KEYS[1] is the account's prefix; every key used lies under its hash tag.
local SLICE = 1000 -- arguments Lua can unpack into one command
local HOLE_US = 5000000
local FURTHEST_AHEAD = 1000
local MOST_RANGES = 1000
local TOMBSTONE_US = 960000000 -- the greatest window, and a minute for clocks that differ
local MOST_PAST_BOOTS = 8
local ATTEMPTS_TTL = 60 -- seconds
local WHOLE_ACCOUNT = 0
local DATABASE = tonumber(ARGV[#ARGV])
local MOST_CARRIERS_TOLD = 100 -- with a change; of more whoever listens reads

local function key(name, ...)
  return KEYS[1] .. string.format(PATTERNS[name], ...)
end

-- Lua's own conversion keeps 14 digits; microseconds have 16.
local function digits(number)
  return string.format('%.0f', number)
end

local function in_slices(command, name, items)
  for first = 1, #items, SLICE do
    redis.call(command, name, unpack(items, first, math.min(first + SLICE - 1, #items)))
  end
end

-- A switch ---------------------------------------------------------------------------------------

-- boot: its current start; high: every number up to it has been told; ahead: ranges {from, to}
-- told beyond a hole; hole: when that hole was first seen; wanted: why a snapshot is; renewed:
-- when all leases last were; past: earlier boots; based: when its last snapshot was taken.
local function load_switch(name, lease)
  local stored = redis.call('GET', key('switch', name))
  local switch = stored and cmsgpack.unpack(stored)
    or {high = 0, ahead = {}, renewed = 0, past = {}, based = 0}
  switch.known = stored and true or false
  switch.lease = lease or switch.lease
  switch.name = name
  switch.count = redis.call('ZCARD', key('up', name))
  return switch
end

local function store_switch(switch)
  redis.call('SET', key('switch', switch.name), cmsgpack.pack(switch))
  redis.call('SADD', key('switches'), switch.name)
end

local function want(switch, reason)
  switch.wanted = switch.wanted or reason
end

local function is_past(switch, boot)
  for _, past in ipairs(switch.past) do
    if past == boot then return true end
  end
  return false
end

-- A start of the switch that was not known. Its numbers begin at 1; calls that are still up need
-- a snapshot to say which of them live on.
local function adopt(switch, boot, seq)
  if seq > 1 or switch.count > 0 then
    want(switch, switch.known and 'RESTARTED' or 'UNKNOWN')
  end
  if switch.boot then
    table.insert(switch.past, switch.boot)
    if #switch.past > MOST_PAST_BOOTS then table.remove(switch.past, 1) end
  end
  switch.known, switch.boot, switch.high, switch.ahead, switch.hole = true, boot, 0, {}, nil
end

-- Raises the high water over what was told ahead of it. Another hole has time of its own.
local function absorb(switch, now)
  local ahead = switch.ahead
  while ahead[1] and ahead[1][1] <= switch.high + 1 do
    switch.high = math.max(switch.high, ahead[1][2])
    table.remove(ahead, 1)
  end
  switch.hole = ahead[1] and now or nil
end

local function add_ahead(ahead, seq)
  local at = #ahead
  while at > 0 and ahead[at][1] > seq do at = at - 1 end
  local before, after = ahead[at], ahead[at + 1]
  if before and seq <= before[2] then return false end
  local joins_before = before and before[2] + 1 == seq
  local joins_after = after and after[1] - 1 == seq
  if joins_before and joins_after then
    before[2] = after[2]
    table.remove(ahead, at + 1)
  elseif joins_before then
    before[2] = seq
  elseif joins_after then
    after[1] = seq
  else
    table.insert(ahead, at + 1, {seq, seq})
  end
  return true
end

-- Notes a number of the current boot; false where it was told before.
local function note(switch, seq, now)
  if seq <= switch.high then return false end
  if seq == switch.high + 1 then
    switch.high = seq
    if switch.ahead[1] then absorb(switch, now) end
    return true
  end
  if not add_ahead(switch.ahead, seq) then return false end
  switch.hole = switch.hole or now
  if #switch.ahead > MOST_RANGES then
    want(switch, 'HOLE')
    table.remove(switch.ahead, 1)
  end
  return true
end

local function check_hole(switch, now)
  local last = switch.ahead[#switch.ahead]
  if last and (now - switch.hole >= HOLE_US or last[2] - switch.high > FURTHEST_AHEAD) then
    want(switch, 'HOLE')
  end
end

-- Gauges -----------------------------------------------------------------------------------------

local function redis_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- A sequence that rises even where the previous one was lost with all of Redis.
local function next_sequence(gauge, least)
  local previous = tonumber(redis.call('HGET', gauge, 'sequence') or 0)
  local sequence = digits(math.max(previous + 1, least))
  redis.call('HSET', gauge, 'sequence', sequence)
  return sequence
end

-- The sequence of what is shown: a new one where it differs from what was shown last, or where a
-- reader has shown a later one (`floor`) before Redis came back with an old state or an old clock.
local function shown_sequence(gauge, figures, now_us, floor)
  local sequence, last = unpack(redis.call('HMGET', gauge, 'sequence', 'figures'))
  if not sequence or last ~= figures or tonumber(sequence) < floor then
    sequence = next_sequence(gauge, math.max(now_us, floor + 1))
    redis.call('HSET', gauge, 'figures', figures)
  end
  return tonumber(sequence)
end

-- Attempts in the 10 full seconds before this one.
local function recent_attempts(scope, second)
  local names, sum = {}, 0
  for i = 1, 10 do names[i] = key('attempts', scope, second - i) end
  for _, count in ipairs(redis.call('MGET', unpack(names))) do
    sum = sum + (tonumber(count) or 0)
  end
  return sum
end

-- {{carrier, calls}, ...} of a scope.
local function by_carrier(scope)
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

-- What a reader would be shown now; '' where nobody here listens, or it would be long. Listeners to
-- other databases of this server hear it too.
local function told(scope, topic, now_us)
  local sequence = next_sequence(key('gauge', scope), now_us)
  local listening = redis.pcall('PUBSUB', 'NUMSUB', topic) -- which a user's ACL may lack
  if listening.err or listening[2] == 0
    or redis.call('SCARD', key('carriers', scope)) > MOST_CARRIERS_TOLD then
    return ''
  end
  local recent = recent_attempts(scope, math.floor(now_us / 1000000))
  redis.call('HSET', key('gauge', scope), 'figures', digits(recent))
  return cmsgpack.pack({tonumber(sequence), now_us, recent, by_carrier(scope), DATABASE})
end

local function announce(scopes)
  local now_us = redis_us()
  for scope in pairs(scopes) do
    local topic = key('channels', scope)
    redis.call('PUBLISH', topic, told(scope, topic, now_us))
  end
end
