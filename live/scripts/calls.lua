-- Shared by the scripts that change calls. They load the records of one switch, change them in Lua,
-- and store the changed ones. The fields of a record:
local STATE, CUSTOMER, ACTIVE_CARRIER, GEN, SEQ = 1, 2, 3, 4, 5
local AT, SETUP, LEGS, COUNTED, CORRECTED_IN = 6, 7, 8, 9, 10
-- ACTIVE_CARRIER: the carrier for which the call counts; false if it is not active.
-- GEN, SEQ: start of the numbers and number of its last event (false, 0: none). AT, SETUP: µs (0:
-- unknown). LEGS: leg -> carrier; false after its end.
-- COUNTED: the values with which the ended attempt counts in the sliding window; false if it does
-- not. CORRECTED_IN: the nonce of the last fill that began before a correction of the call.
local ACTIVE, ENDED = 'U', 'E'
local REMOVED = 'L' -- without an end; a later event makes it active again
local WAITING = 'W' -- a leg has ended, but no start has arrived

local function open_batch(switch, now)
  return {
    switch = switch, now = now, calls = {}, was = {}, changed = {}, attempts = {}, scopes = {},
    ended = {},
  }
end

local function load_calls(batch, ids)
  local calls = key('calls', batch.switch.name)
  for first = 1, #ids, SLICE do
    local last = math.min(first + SLICE - 1, #ids)
    for i, packed in ipairs(redis.call('HMGET', calls, unpack(ids, first, last))) do
      local id = ids[first + i - 1]
      if packed and not batch.calls[id] then
        local call = cmsgpack.unpack(packed)
        batch.calls[id] = call
        batch.was[id] = {call[STATE], call[CUSTOMER], call[ACTIVE_CARRIER]}
      end
    end
  end
end

local function set_state(batch, call, state)
  if call[STATE] == ACTIVE then batch.switch.count = batch.switch.count - 1 end
  if state == ACTIVE then batch.switch.count = batch.switch.count + 1 end
  call[STATE] = state
end

local function new_call(batch, id, state, customer, setup)
  local call = {false, customer, false, false, 0, 0, setup, {}, false}
  batch.calls[id] = call
  set_state(batch, call, state)
  return call
end

-- Removes a call without an end. Returns what is logged and stored about it.
local function remove_call(batch, id)
  local call = batch.calls[id]
  set_state(batch, call, REMOVED)
  batch.changed[id] = true
  return {batch.switch.name, id, call[CUSTOMER], call[SETUP]}
end

local function count_attempt(batch, customer)
  for _, scope in ipairs({customer, WHOLE_ACCOUNT}) do
    batch.attempts[scope] = (batch.attempts[scope] or 0) + 1
  end
end

-- Counts an ended attempt once. A corrected one replaces its earlier values. PDD in µs, or NO_PDD.
-- Returns whether a sum has changed.
local function count_ended(batch, call, corrects, customer, at, answered, talk, pdd)
  local before, second = call[COUNTED], math.floor(at / 1000000)
  if before and not corrects then return false end
  local counts = is_recent(batch, second)
    and struct.pack(COUNTED_AS, customer, second, answered, talk, pdd)
  if before == counts then return false end
  if before then add_attempt(batch, -1, struct.unpack(COUNTED_AS, before)) end
  add_attempt(batch, 1, customer, second, answered, talk, pdd)
  call[COUNTED] = counts
  return true
end

-- The carrier of the highest active leg; 0 between carriers.
local function active_carrier(call)
  local highest, carrier = -1, 0
  for leg, at in pairs(call[LEGS]) do
    if at and leg > highest then highest, carrier = leg, at end
  end
  return carrier
end

-- moves[scope][carrier] = {SADD = members, SREM = members}
local function move(moves, command, customer, carrier, member)
  for _, scope in ipairs({customer, WHOLE_ACCOUNT}) do
    moves[scope] = moves[scope] or {}
    local sets = moves[scope]
    sets[carrier] = sets[carrier] or {SADD = {}, SREM = {}}
    table.insert(sets[carrier][command], member)
  end
end

local function store_moves(batch, moves)
  for scope, sets in pairs(moves) do
    batch.scopes[scope] = true
    for carrier, commands in pairs(sets) do
      in_slices('SREM', key('standing', scope, carrier), commands.SREM)
      in_slices('SADD', key('standing', scope, carrier), commands.SADD)
      if commands.SADD[1] then
        redis.call('SADD', key('carriers', scope), digits(carrier))
        if scope ~= WHOLE_ACCOUNT then redis.call('SADD', key('customers'), digits(scope)) end
      end
    end
  end
end

local function store_attempts(batch)
  local second = math.floor(batch.now / 1000000)
  for scope, attempts in pairs(batch.attempts) do
    batch.scopes[scope] = true
    redis.call('INCRBY', key('attempts', scope, second), attempts)
    redis.call('EXPIRE', key('attempts', scope, second), ATTEMPTS_TTL_SECONDS)
  end
end

-- The time of a tombstone: not before the second in which its call counts.
local function tombstone_at(call, now_us, now)
  return call[AT] > now_us and digits(call[AT]) or now
end

-- Stores every changed call: its record, its place in the order of the switch, and its sets.
local function store_calls(batch)
  local name, now = batch.switch.name, digits(batch.now)
  local records, up, not_up, gone, not_gone, moves = {}, {}, {}, {}, {}, {}
  for id in pairs(batch.changed) do
    local call, was = batch.calls[id], batch.was[id]
    local is_up, was_up = call[STATE] == ACTIVE, was and was[1] == ACTIVE
    call[ACTIVE_CARRIER] = is_up and active_carrier(call)
    if is_up then
      up[#up + 1] = now
      up[#up + 1] = id
      if was and not was_up then not_gone[#not_gone + 1] = id end
    else
      gone[#gone + 1] = tombstone_at(call, batch.now, now)
      gone[#gone + 1] = id
      if was_up then not_up[#not_up + 1] = id end
    end
    if call[ACTIVE_CARRIER] ~= (was and was[3] or false) or (was_up and call[CUSTOMER] ~= was[2]) then
      local member = name .. '\0' .. id
      if was_up then move(moves, 'SREM', was[2], was[3], member) end
      if is_up then move(moves, 'SADD', call[CUSTOMER], call[ACTIVE_CARRIER], member) end
    end
    records[#records + 1] = id
    records[#records + 1] = cmsgpack.pack(call)
  end
  in_slices('HSET', key('calls', name), records)
  in_slices('ZADD', key('up', name), up)
  in_slices('ZREM', key('up', name), not_up)
  in_slices('ZADD', key('gone', name), gone)
  in_slices('ZREM', key('gone', name), not_gone)
  store_moves(batch, moves)
  store_attempts(batch)
  store_ended(batch)
end

-- Removes expired tombstones.
local function trim(name, now)
  local over = redis.call(
    'ZRANGEBYSCORE', key('gone', name), '-inf', digits(now - TOMBSTONE_US), 'LIMIT', 0, SLICE)
  if over[1] then
    redis.call('ZREM', key('gone', name), unpack(over))
    redis.call('HDEL', key('calls', name), unpack(over))
  end
end
