-- Applies a snapshot. ARGV[1]: {now, switch, lease, at, boot, seq, calls}, times in µs, boot and
-- seq false where it has none; a call: {call id, leg, customer, carrier, setup}, one per leg.
-- Returns {applied, wanted or false, lost calls}.
local now, name, lease, at, boot, seq, listed = unpack(cmsgpack.unpack(ARGV[1]))

-- Did the call's last event happen after the list was taken? One of an earlier boot did not.
local function is_newer(call)
  if boot and call[BOOT] then return call[BOOT] == boot and call[SEQ] > seq end
  return call[AT] > at
end

local function by_call()
  local calls, ids = {}, {}
  for _, entry in ipairs(listed) do
    local id = entry[1]
    if not calls[id] then
      calls[id] = {customer = entry[3], setup = entry[5], legs = {}}
      ids[#ids + 1] = id
    end
    calls[id].legs[entry[2]] = entry[4]
  end
  return calls, ids
end

-- The list's legs replace those known; a leg that ended stays ended.
local function merge_legs(known, legs)
  for leg in pairs(known) do
    if legs[leg] == nil then known[leg] = false end
  end
  for leg, carrier in pairs(legs) do
    if known[leg] ~= false then known[leg] = carrier end
  end
end

local function add(batch, id, entry)
  local call = batch.calls[id] or new_call(batch, id, UP, entry.customer, entry.setup)
  local newer = is_newer(call)
  if newer and call[STATE] ~= WAITING then return end
  set_state(batch, call, UP)
  call[CUSTOMER], call[SETUP] = entry.customer, entry.setup
  merge_legs(call[LEGS], entry.legs)
  if boot and not newer then call[BOOT], call[SEQ] = boot, seq end
  call[AT] = math.max(call[AT], at)
  batch.changed[id] = true
end

local function remove(batch, ids, entries)
  local lost = {}
  for _, id in ipairs(ids) do
    local call = batch.calls[id]
    if not entries[id] and not is_newer(call) then
      if boot then call[BOOT], call[SEQ] = boot, seq end
      call[AT] = math.max(call[AT], at)
      lost[#lost + 1] = lose(batch, id)
    end
  end
  return lost
end

local function settle(switch)
  if boot then
    if boot ~= switch.boot then adopt(switch, boot, seq) end
    switch.high = math.max(switch.high, seq)
  elseif switch.ahead[1] then -- it has no number to close a hole with
    switch.high = switch.ahead[#switch.ahead][2]
  end
  absorb(switch, now)
  switch.known, switch.wanted = true, nil
  switch.based = math.max(switch.based, at)
end

local switch = load_switch(name, lease)
if boot and is_past(switch, boot) then
  return cmsgpack.pack({false, switch.wanted or false, {}})
end
local batch = open_batch(switch, now)
local entries, ids = by_call()
local up = redis.call('ZRANGE', key('up', name), 0, -1)
load_calls(batch, up)
load_calls(batch, ids)
local lost = remove(batch, up, entries)
for id, entry in pairs(entries) do add(batch, id, entry) end
store_calls(batch)
settle(switch)
store_switch(switch)
announce(batch.scopes)
return cmsgpack.pack({true, false, lost})
