-- Applies a snapshot. ARGV[1]: {now, switch, lease, at, boot, seq, refused_ids, calls_without_id},
-- times in µs; boot and seq are false if there are none. Each argument from ARGV[2] to the last but
-- one is a part of the listed legs: {call id, leg, customer, carrier, setup} for each. Refused calls
-- are not removed: those with `refused_ids`, and `calls_without_id` further ones.
-- Returns {applied, wanted or false, lost calls, whether Redis has lost the state}.
local now, name, lease, at, boot, seq, refused_list, calls_without_id =
  unpack(cmsgpack.unpack(ARGV[1]))
local refused_ids = {}
for _, id in ipairs(refused_list) do refused_ids[id] = true end

local gen -- of the number of the snapshot; nil if it cannot be compared with others

-- Is the last event of the call later than the snapshot? One of an earlier boot is not.
local function is_newer(call)
  if gen and call[GEN] then return call[GEN] == gen and call[SEQ] > seq end
  return call[AT] > at
end

-- Adopts the boot of the snapshot. Returns false for an old snapshot of an earlier boot. A later one
-- of an earlier boot (the switch has failed back), or one with a lower number after the switch began
-- new numbers, applies by its time, because numbers of two starts cannot be compared.
local function take_numbers(switch)
  if not boot then return true end
  local is_later = at > math.max(switch.latest, switch.based)
  local failed_back = is_past(switch, boot)
  if failed_back and not is_later then return false end
  local has_begun_anew = boot == switch.boot and switch.again and seq < switch.high and is_later
  if failed_back or has_begun_anew then
    begin_numbers(switch, boot)
    return true
  end
  if boot ~= switch.boot then adopt(switch, boot, seq) end
  gen = switch.gen
  return true
end

local function by_call()
  local calls, ids = {}, {}
  for part = 2, #ARGV - 1 do
    for _, entry in ipairs(cmsgpack.unpack(ARGV[part])) do
      local id = entry[1]
      if not calls[id] then
        calls[id] = {customer = entry[3], setup = entry[5], legs = {}}
        ids[#ids + 1] = id
      end
      calls[id].legs[entry[2]] = entry[4]
    end
  end
  return calls, ids
end

-- The listed legs replace the stored ones, except refused ones. A leg that has ended stays ended.
local function merge_legs(id, known, legs)
  for leg in pairs(known) do
    if legs[leg] == nil and not refused_ids[id] then known[leg] = false end
  end
  for leg, carrier in pairs(legs) do
    if known[leg] ~= false then known[leg] = carrier end
  end
end

local function add(batch, id, entry)
  local call = batch.calls[id] or new_call(batch, id, ACTIVE, entry.customer, entry.setup)
  local newer = is_newer(call)
  if newer and call[STATE] ~= WAITING then return end
  set_state(batch, call, ACTIVE)
  call[CUSTOMER], call[SETUP] = entry.customer, entry.setup
  merge_legs(id, call[LEGS], entry.legs)
  if boot and not newer then call[GEN], call[SEQ] = batch.switch.gen, seq end
  call[AT] = math.max(call[AT], at)
  batch.changed[id] = true
end

local function keep_call(batch, id)
  local call = batch.calls[id]
  if boot then call[GEN], call[SEQ] = batch.switch.gen, seq end
  call[AT] = math.max(call[AT], at)
  batch.changed[id] = true
end

-- Calls that the snapshot does not list. A refused item without a readable call id may be any of
-- them, so as many stay (those set up last). The count then equals that of the snapshot.
local function unlisted_calls(batch, ids, entries)
  local calls, kept = {}, calls_without_id
  for _, id in ipairs(ids) do
    if not entries[id] and not is_newer(batch.calls[id]) then
      if refused_ids[id] then keep_call(batch, id) else calls[#calls + 1] = id end
    end
  end
  if kept > 0 then
    table.sort(calls, function(a, b)
      local first, second = batch.calls[a][SETUP], batch.calls[b][SETUP]
      if first == second then return a < b end
      return first < second
    end)
    while kept > 0 and calls[1] do
      keep_call(batch, table.remove(calls))
      kept = kept - 1
    end
  end
  return calls
end

local function remove(batch, ids, entries)
  local lost = {}
  for _, id in ipairs(unlisted_calls(batch, ids, entries)) do
    keep_call(batch, id)
    lost[#lost + 1] = remove_call(batch, id)
  end
  return lost
end

local switch = load_switch(name, lease)
if not take_numbers(switch) then
  return cmsgpack.pack({false, switch.wanted or false, {}, false})
end
local batch = open_batch(switch, now)
local entries, ids = by_call()
local up = redis.call('ZRANGE', key('up', name), 0, -1)
load_calls(batch, up)
load_calls(batch, ids)
local lost = remove(batch, up, entries)
for id, entry in pairs(entries) do add(batch, id, entry) end
store_calls(batch)
settle(switch, boot, seq, at, now)
store_switch(switch)
publish_changes(batch.scopes)
return cmsgpack.pack({true, false, lost, completeness(redis_us()) == LOST})
