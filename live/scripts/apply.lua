-- Applies events. ARGV[1]: {now, {{switch, lease, events}, ...}, missed}, times in µs.
-- missed: {{switch, time of its last event, µs to await it (0: it has no calls), lease}, ...}, for
-- switches with events that have not reached Redis.
-- An event: {kind, call id, leg, customer, carrier, at, setup, final, boot, seq, answered, talk,
-- PDD, corrects, record only}; answered is 0 or 1, or nil if the event counts no attempt. A beat has
-- its number of calls in place of the leg. Record only: the sender cannot send snapshots.
-- Returns {{{switch, reason}, ...}, lost}.
local ACTIVE_EVENT, END_EVENT, BEAT_EVENT = 1, 2, 3
local MAX_ATTEMPT_AGE_US = 60000000 -- a backlog is not current traffic

-- Is the event later than the last event of the record?
local function is_newer(batch, event, call)
  local gen, seq = event[9] and batch.switch.gen, event[10]
  if gen and call[GEN] then return gen ~= call[GEN] or seq > call[SEQ] end
  return event[6] > call[AT]
end

local function update_call(batch, event, call, current)
  local gen, seq = event[9] and batch.switch.gen, event[10]
  if current and gen then
    call[SEQ] = call[GEN] == gen and math.max(call[SEQ], seq) or seq
    call[GEN] = gen
  end
  call[AT] = math.max(call[AT], event[6])
  if call[SETUP] == 0 then call[SETUP] = event[7] end
  batch.changed[event[2]] = true
end

-- A start, ringing or answer: the first of them makes the call active.
local function start_call(batch, event)
  local id, leg, customer, carrier = event[2], event[3], event[4], event[5]
  local call = batch.calls[id]
  if call and call[STATE] == ENDED then return end
  if call and call[STATE] == REMOVED and not is_newer(batch, event, call) then return end
  if not call or call[STATE] ~= ACTIVE then
    local at = event[6]
    if at < batch.now - batch.switch.lease then return end
    if not event[9] and at < batch.switch.based then return end
    if (not call or call[STATE] == WAITING) and at >= batch.now - MAX_ATTEMPT_AGE_US then
      count_attempt(batch, customer)
    end
    if not call then
      call = new_call(batch, id, ACTIVE, customer, event[7])
    else
      set_state(batch, call, ACTIVE)
      call[CUSTOMER] = customer
    end
  end
  local known = call[LEGS][leg]
  if known == nil or known and carrier ~= 0 then call[LEGS][leg] = carrier end
  update_call(batch, event, call, true)
end

-- An end that arrives before its start leaves a tombstone. An end older than the lease and the
-- sliding window needs none, because its start would be too old and it counts in no window.
local function end_call(batch, event, current)
  local id, leg, final = event[2], event[3], event[8]
  local call = batch.calls[id]
  if not call then
    if event[6] < batch.now - math.max(batch.switch.lease, TOMBSTONE_US) then return end
    call = new_call(batch, id, final and ENDED or WAITING, event[4], event[7])
  end
  if final then
    set_state(batch, call, ENDED)
    call[LEGS] = {}
    if event[11] then
      if event[14] then call[CORRECTED_IN] = redis.call('HGET', key('window'), 'nonce') end
      count_ended(batch, call, event[14], event[4], event[6], event[11], event[12], event[13])
    end
  elseif call[STATE] == ACTIVE or call[STATE] == WAITING then
    call[LEGS][leg] = false
  end
  update_call(batch, event, call, current)
end

local function compare(batch, active)
  if active == batch.switch.count then
    batch.switch.renewed = batch.now
  else
    request_snapshot(batch.switch, 'DIFFERS')
  end
end

-- Has every number up to `seq` arrived, and are there no calls of an earlier start?
local function has_all_calls(switch, seq)
  if switch.born ~= run_id() or not switch.alone then return false end
  local first = switch.ahead[1]
  if switch.high == 0 then return first and not switch.ahead[2] and first[2] == seq end
  return not first and switch.high == seq
end

-- Does a beat replace the awaited snapshot of its switch? Only if its number of calls is ours and
-- either it is 0 or all calls are those of the numbered events: then no event was missed.
local function replaces_snapshot(switch, event)
  local boot, seq, active = event[9], event[10], event[3]
  if active ~= switch.count or not redis.call('ZSCORE', key('owing'), switch.name) then
    return false
  end
  if not boot then return active == 0 and event[6] > (switch.owed or math.huge) end
  local last = switch.ahead[#switch.ahead]
  if seq < (last and last[2] or switch.high) then return false end -- later events have arrived
  return active == 0 or has_all_calls(switch, seq)
end

-- A switch without state has to send a snapshot. Old ends (an import of past calls) do not count
-- as contact.
local function check_contact(batch, event)
  if event[15] then return end
  local long_ago = event[1] ~= BEAT_EVENT and event[6] < batch.now - batch.switch.lease
  if not batch.switch.known and not (long_ago and not batch.calls[event[2]]) then
    request_snapshot(batch.switch, 'UNKNOWN')
    batch.switch.known = true
  end
end

-- A number that does not continue the current ones, at a later time: the switch has failed back to
-- an earlier boot, or has begun new numbers in the same boot.
local function check_numbers(switch, event, current, is_new)
  local kind, seq, at = event[1], event[10], event[6]
  local is_in_order = current and (is_new or kind == BEAT_EVENT and seq == switch.high)
  if is_in_order then
    switch.latest = math.max(switch.latest, at)
  elseif at > switch.latest then
    request_snapshot(switch, 'RESTARTED')
    switch.again = current or switch.again
  elseif kind == BEAT_EVENT and not current and event[3] ~= switch.count then
    request_snapshot(switch, 'DIFFERS')
  end
end

local function apply_event(batch, event)
  local switch, kind, boot, seq = batch.switch, event[1], event[9], event[10]
  local current, is_new = true, true
  if not boot then
    check_contact(batch, event)
  else
    current = not is_past(switch, boot)
    if current then
      if boot ~= switch.boot then adopt(switch, boot, seq) end
      is_new = record_number(switch, seq, batch.now)
    end
    check_numbers(switch, event, current, is_new)
  end
  if kind == BEAT_EVENT then
    batch.beat = event
    if current and replaces_snapshot(switch, event) then
      settle(switch, boot, seq, event[6], batch.now)
    end
  end
  if kind == END_EVENT then
    end_call(batch, event, current)
  elseif kind == ACTIVE_EVENT then
    -- An event of an earlier boot, or with an old number, is ignored: its call may have ended.
    if current and is_new then start_call(batch, event) end
  elseif not boot or current and not switch.ahead[1] and seq == switch.high then
    compare(batch, event[3])
  end
end

-- A switch with calls is silent after two missing beats. The events that it queued meanwhile are not
-- attempts of the seconds in which they arrive, so attempts per second are unknown for a while.
local function record_beat(batch)
  local switch, beat = batch.switch, batch.beat
  if not beat then return end
  local every = switch.beat_at and beat[6] - switch.beat_at or 0
  if every > 0 then
    switch.every = every
    switch.silence = math.min(2 * every + 1000000, MAX_SILENCE_US)
  end
  switch.beat_at = beat[6]
  if beat[3] == 0 and switch.count == 0 then
    redis.call('ZREM', key('beats'), switch.name)
    return
  end
  local now_us = redis_us()
  local allowed_silence = switch.silence or MAX_SILENCE_US
  local silent_from = redis.call('ZSCORE', key('beats'), switch.name)
  if silent_from and tonumber(silent_from) <= now_us then invalidate_attempts(now_us) end
  redis.call('ZADD', key('beats'), digits(now_us + allowed_silence), switch.name)
  -- It is awaited as long as it sends beats.
  redis.call('ZADD', key('owing'), 'XX', 'GT', digits(now_us + GONE_US), switch.name)
end

-- Events have not reached Redis, so the calls and the sliding window are wrong. The window has to be
-- filled again.
local function record_missed(missed)
  local name, at, wait_us, lease = unpack(missed)
  if at > tonumber(redis.call('HGET', key('kept'), 'missed') or 0) then
    redis.call('HSET', key('kept'), 'missed', digits(at))
    redis.call('DEL', key('window'))
  end
  if wait_us == 0 then return end
  local switch = load_switch(name, lease)
  if at <= (switch.settled or 0) or redis.call('ZSCORE', key('owing'), name) then return end
  await_report(switch, 'REDIS_AWAY', redis_us(), wait_us)
  store_switch(switch)
end

local function apply_group(now, group, scopes)
  local name, lease, events = group[1], group[2], group[3]
  local batch = open_batch(load_switch(name, lease), now)
  batch.scopes = scopes
  local ids = {}
  for i, event in ipairs(events) do ids[i] = event[2] end
  load_calls(batch, ids)
  for _, event in ipairs(events) do apply_event(batch, event) end
  check_hole(batch.switch, now)
  record_beat(batch)
  store_calls(batch)
  trim(name, now)
  if batch.switch.known then store_switch(batch.switch) end
  return batch.switch.wanted
end

local input = cmsgpack.unpack(ARGV[1])
local scopes, wanted = {}, {}
for _, missed in ipairs(input[3]) do record_missed(missed) end
for _, group in ipairs(input[2]) do
  local reason = apply_group(input[1], group, scopes)
  if reason then wanted[#wanted + 1] = {group[1], reason} end
end
publish_changes(scopes)
return cmsgpack.pack({wanted, completeness(redis_us()) == LOST})
