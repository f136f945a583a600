-- Applies events. ARGV[1]: {now, {{switch, lease, events}, ...}}, times in µs.
-- An event: {kind, call id, leg, customer, carrier, at, setup, final, boot, seq, answered, talk,
-- PDD, corrects}; answered is 0 or 1, or nil where the event counts no attempt; a beat has its
-- number of calls in place of the leg. Returns {{switch, reason}, ...}.
local IS_UP, END, BEAT = 1, 2, 3
local OLDEST_ATTEMPT_US = 60000000 -- a backlog is not the traffic of now

-- Does the event say more than the record knows?
local function is_newer(event, call)
  local boot, seq = event[9], event[10]
  if boot and call[BOOT] then return boot ~= call[BOOT] or seq > call[SEQ] end
  return event[6] > call[AT]
end

local function touch(batch, event, call, current)
  local boot, seq = event[9], event[10]
  if current and boot then
    call[SEQ] = call[BOOT] == boot and math.max(call[SEQ], seq) or seq
    call[BOOT] = boot
  end
  call[AT] = math.max(call[AT], event[6])
  if call[SETUP] == 0 then call[SETUP] = event[7] end
  batch.changed[event[2]] = true
end

-- A start, ringing or answer: whichever comes first means that the call is up.
local function goes_up(batch, event)
  local id, leg, customer, carrier = event[2], event[3], event[4], event[5]
  local call = batch.calls[id]
  if call and (call[STATE] == ENDED or call[STATE] == LOST and not is_newer(event, call)) then
    return
  end
  if not call or call[STATE] ~= UP then
    local at = event[6]
    if at < batch.now - batch.switch.lease then return end
    if not event[9] and at < batch.switch.based then return end
    if (not call or call[STATE] == WAITING) and at >= batch.now - OLDEST_ATTEMPT_US then
      count_attempt(batch, customer)
    end
    if not call then
      call = new_call(batch, id, UP, customer, event[7])
    else
      set_state(batch, call, UP)
      call[CUSTOMER] = customer
    end
  end
  local known = call[LEGS][leg]
  if known == nil or known and carrier ~= 0 then call[LEGS][leg] = carrier end
  touch(batch, event, call, true)
end

-- An end may come before its start: then a tombstone remembers it. An end older than the lease and
-- the sliding window needs none: its start would be refused as too old, and it counts nowhere.
local function goes_down(batch, event, current)
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
      count_ended(batch, call, event[14], event[4], event[6], event[11], event[12], event[13])
    end
  elseif call[STATE] == UP or call[STATE] == WAITING then
    call[LEGS][leg] = false
  end
  touch(batch, event, call, current)
end

local function compare(batch, active)
  if active == batch.switch.count then
    batch.switch.renewed = batch.now
  else
    want(batch.switch, 'DIFFERS')
  end
end

-- A switch of which nothing is known, or no longer, has to say what is up. Ends of long ago (a
-- history being filled in) are no contact.
local function contact(batch, event)
  local long_ago = event[1] ~= BEAT and event[6] < batch.now - batch.switch.lease
  if not batch.switch.known and not (long_ago and not batch.calls[event[2]]) then
    want(batch.switch, 'UNKNOWN')
    batch.switch.known = true
  end
end

local function fold(batch, event)
  local switch, kind, boot, seq = batch.switch, event[1], event[9], event[10]
  local current, news = true, true
  if not boot then
    contact(batch, event)
  elseif is_past(switch, boot) then
    current = false
  else
    if boot ~= switch.boot then adopt(switch, boot, seq) end
    news = note(switch, seq, batch.now)
  end
  if kind == END then
    goes_down(batch, event, current)
  elseif kind == IS_UP then
    -- What an earlier start of the switch or an older number says is up may have ended since.
    if current and news then goes_up(batch, event) end
  elseif not boot or current and not switch.ahead[1] and seq == switch.high then
    compare(batch, event[3])
  end
end

local function apply_group(now, group, scopes)
  local name, lease, events = group[1], group[2], group[3]
  local batch = open_batch(load_switch(name, lease), now)
  batch.scopes = scopes
  local ids = {}
  for i, event in ipairs(events) do ids[i] = event[2] end
  load_calls(batch, ids)
  for _, event in ipairs(events) do fold(batch, event) end
  check_hole(batch.switch, now)
  store_calls(batch)
  trim(name, now)
  if batch.switch.known then store_switch(batch.switch) end
  return batch.switch.wanted
end

local input = cmsgpack.unpack(ARGV[1])
local scopes, wanted = {}, {}
for _, group in ipairs(input[2]) do
  local reason = apply_group(input[1], group, scopes)
  if reason then wanted[#wanted + 1] = {group[1], reason} end
end
announce(scopes)
return cmsgpack.pack(wanted)
