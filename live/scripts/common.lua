-- Shared by all scripts: keys, state and numbers of a switch, gauges.
-- KEYS[1] is the prefix of the account, which every key begins with.
local SLICE = 1000 -- arguments that Lua can unpack into one command
local HOLE_US = 5000000
local MAX_NUMBERS_AHEAD = 1000
local MAX_RANGES = 1000
local TOMBSTONE_US = 960000000 -- the longest window, and a minute for clocks that differ
local MAX_PAST_BOOTS = 8
local ATTEMPTS_TTL_SECONDS = 60
local WHOLE_ACCOUNT = 0
local DATABASE = tonumber(ARGV[#ARGV])
local MAX_PUBLISHED_CARRIERS = 100 -- listeners read the state if there are more
local CPS_SECONDS = 10
-- As in live/channels.py. LOST until `seed` has stored which switches have to report.
local COMPLETE, INCOMPLETE, LOST = 0, 1, 2
local MAX_SILENCE_US = 15000000 -- of a switch with calls, which sends beats more often
local GONE_US = 600000000 -- after this silence the switch is no longer awaited

local function key(name, ...)
  return KEYS[1] .. string.format(PATTERNS[name], ...)
end

-- The conversion of Lua keeps 14 digits, but microseconds have 16.
local function digits(number)
  return string.format('%.0f', number)
end

local function in_slices(command, name, items)
  for first = 1, #items, SLICE do
    redis.call(command, name, unpack(items, first, math.min(first + SLICE - 1, #items)))
  end
end

local function redis_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end

-- A switch ---------------------------------------------------------------------------------------

-- The fields of a switch, times in µs:
--   boot: its current boot; past: earlier boots
--   gen: our counter of the starts of its numbers; again: it began new numbers in the same boot
--   high: every number up to it has arrived; ahead: ranges {from, to} of numbers beyond a hole
--   hole: when that hole was first seen; latest: the latest time of its numbered events
--   alone: all its calls belong to the current start of its numbers
--   wanted: the reason why a snapshot is wanted; owed: since when it has to report
--   based: when its last snapshot was taken; settled, run: when, and in which run of Redis, a
--     snapshot (or a beat in its place) was last applied
--   renewed: when all leases were last renewed; born: the run of Redis in which it first reported
--   beat_at: its time of its last beat; every: the time between its last two beats
--   silence: the time after a beat before it is silent
local function load_switch(name, lease)
  local stored = redis.call('GET', key('switch', name))
  local switch = stored and cmsgpack.unpack(stored)
    or {high = 0, ahead = {}, renewed = 0, past = {}, based = 0, born = run_id()}
  switch.known = stored and true or false
  switch.gen, switch.latest = switch.gen or 0, switch.latest or 0
  switch.lease = lease or switch.lease
  switch.name = name
  switch.count = redis.call('ZCARD', key('up', name))
  return switch
end

local function store_switch(switch)
  redis.call('SET', key('switch', switch.name), cmsgpack.pack(switch))
  redis.call('SADD', key('switches'), switch.name)
end

local function request_snapshot(switch, reason)
  switch.wanted = switch.wanted or reason
end

local function is_past(switch, boot)
  for _, past in ipairs(switch.past) do
    if past == boot then return true end
  end
  return false
end

-- The switch numbers its events from 1. The boot may be an earlier one that it has failed back to.
local function begin_numbers(switch, boot)
  for i = #switch.past, 1, -1 do
    if switch.past[i] == boot then table.remove(switch.past, i) end
  end
  if switch.boot and switch.boot ~= boot then
    table.insert(switch.past, switch.boot)
    if #switch.past > MAX_PAST_BOOTS then table.remove(switch.past, 1) end
  end
  switch.alone = switch.gen == 0 and switch.count == 0
  switch.known, switch.boot, switch.gen = true, boot, switch.gen + 1
  switch.high, switch.ahead, switch.hole, switch.again = 0, {}, nil, nil
end

-- A new boot of the switch. Its numbers begin at 1. If calls are active, a snapshot has to list those
-- that still are.
local function adopt(switch, boot, seq)
  if seq > 1 or switch.count > 0 then
    request_snapshot(switch, switch.known and 'RESTARTED' or 'UNKNOWN')
  end
  begin_numbers(switch, boot)
end

-- Raises `high` over the ranges that now continue it. The next hole gets its own time.
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

-- Records a number of the current boot. Returns false if it has arrived before.
local function record_number(switch, seq, now)
  if seq <= switch.high then return false end
  if seq == switch.high + 1 then
    switch.high = seq
    if switch.ahead[1] then absorb(switch, now) end
    return true
  end
  if not add_ahead(switch.ahead, seq) then return false end
  switch.hole = switch.hole or now
  if #switch.ahead > MAX_RANGES then
    request_snapshot(switch, 'HOLE')
    table.remove(switch.ahead, 1)
  end
  return true
end

local function check_hole(switch, now)
  local last = switch.ahead[#switch.ahead]
  if last and (now - switch.hole >= HOLE_US or last[2] - switch.high > MAX_NUMBERS_AHEAD) then
    request_snapshot(switch, 'HOLE')
  end
end

-- Completeness ---------------------------------------------------------------------

-- LOST: Redis was emptied, or restarted with an old state. INCOMPLETE: a switch has yet to report, a
-- switch with calls is silent, or attempts of the last seconds were lost.
local function completeness(now_us)
  local run, since = unpack(redis.call('HMGET', key('kept'), 'run', 'since'))
  if run ~= run_id() then return LOST end
  if tonumber(since) > (math.floor(now_us / 1000000) - CPS_SECONDS) * 1000000 then
    return INCOMPLETE
  end
  local owing = redis.call('ZCOUNT', key('owing'), digits(now_us), '+inf')
  local silent = redis.call('ZCOUNT', key('beats'), digits(now_us - GONE_US), digits(now_us))
  return (owing > 0 or silent > 0) and INCOMPLETE or COMPLETE
end

-- The attempts per second are unknown until all of their seconds are later than now.
local function invalidate_attempts(now_us)
  redis.call('HSET', key('kept'), 'since', digits(now_us))
end

-- The state is incomplete until a snapshot of the switch is applied or it is no longer awaited.
local function await_report(switch, reason, now_us, wait_us)
  request_snapshot(switch, reason)
  redis.call('ZADD', key('owing'), digits(now_us + wait_us), switch.name)
  switch.owed = now_us
  invalidate_attempts(now_us)
end

-- All calls of the switch are known as of `at`, after event `seq` (boot false: without numbers).
local function settle(switch, boot, seq, at, now)
  if boot then
    switch.latest = math.max(switch.latest, at)
    switch.high = math.max(switch.high, seq)
  elseif switch.ahead[1] then -- without a number, it closes every hole
    switch.high = switch.ahead[#switch.ahead][2]
  end
  absorb(switch, now)
  switch.known, switch.wanted = true, nil
  switch.based = math.max(switch.based, at)
  switch.again, switch.settled, switch.run = nil, now, run_id()
  redis.call('ZREM', key('owing'), switch.name)
  local allowed_silence = switch.silence or MAX_SILENCE_US
  redis.call('ZADD', key('beats'), 'XX', 'GT', digits(redis_us() + allowed_silence), switch.name)
end

-- Gauges -----------------------------------------------------------------------------------------

-- A sequence that increases even if Redis has lost the previous one.
local function next_sequence(gauge, min)
  local previous = tonumber(redis.call('HGET', gauge, 'sequence') or 0)
  local sequence = digits(math.max(previous + 1, min))
  redis.call('HSET', gauge, 'sequence', sequence)
  return sequence
end

-- The sequence for a reader: a new one if the figures differ from the last ones, or if the reader
-- has shown a later one (`floor`) before Redis restarted with an old state or an old clock.
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
  for i = 1, CPS_SECONDS do names[i] = key('attempts', scope, second - i) end
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

local function figures_of(recent, completeness_now)
  return digits(recent) .. ' ' .. completeness_now
end

-- The state as a reader would get it; '' if no client of this server subscribes, or if it would be
-- long. Subscribers of other databases of this server receive it too.
local function published_state(scope, topic, now_us, completeness_now)
  local sequence = next_sequence(key('gauge', scope), now_us)
  local listening = redis.pcall('PUBSUB', 'NUMSUB', topic) -- an ACL may forbid it
  if listening.err or listening[2] == 0
    or redis.call('SCARD', key('carriers', scope)) > MAX_PUBLISHED_CARRIERS then
    return ''
  end
  local recent = recent_attempts(scope, math.floor(now_us / 1000000))
  redis.call('HSET', key('gauge', scope), 'figures', figures_of(recent, completeness_now))
  local counts = by_carrier(scope)
  return cmsgpack.pack({tonumber(sequence), now_us, recent, counts, DATABASE, completeness_now})
end

local function publish_changes(scopes)
  if not next(scopes) then return end
  local now_us = redis_us()
  local completeness_now = completeness(now_us)
  for scope in pairs(scopes) do
    local topic = key('channels', scope)
    redis.call('PUBLISH', topic, published_state(scope, topic, now_us, completeness_now))
  end
end
