-- Counts attempts from their records. ARGV: nonce, then {now, {{switch, attempts}, ...}}, times in
-- µs. An attempt: {call id, customer, setup, end, answered (0 or 1), talk, PDD}. Active calls and
-- awaited switches do not change, because a stored record is not a new event.
-- Returns false if the fill has to begin again.
local nonce, input = ARGV[1], cmsgpack.unpack(ARGV[2])
local now = input[1]

local function add(batch, attempt, gone)
  local id, customer, setup, ended, answered, talk, pdd = unpack(attempt)
  local call = batch.calls[id]
  local is_new = not call
  -- Its record may have been read before it was corrected.
  if call and call[CORRECTED_IN] == nonce then return end
  if is_new then
    call = new_call(batch, id, ENDED, customer, setup)
    call[AT] = ended
  end
  if not count_ended(batch, call, true, customer, ended, answered, talk, pdd) and not is_new then
    return
  end
  batch.changed[id] = true
  if call[STATE] ~= ACTIVE then
    gone[#gone + 1] = digits(math.max(now, ended))
    gone[#gone + 1] = id
  end
end

local function store(batch, gone)
  local name, records = batch.switch.name, {}
  for id in pairs(batch.changed) do
    records[#records + 1] = id
    records[#records + 1] = cmsgpack.pack(batch.calls[id])
  end
  in_slices('HSET', key('calls', name), records)
  in_slices('ZADD', key('gone', name), gone)
  redis.call('SADD', key('switches'), name)
  store_ended(batch)
end

if not is_filling(nonce) then return cmsgpack.pack(false) end
mark_busy(redis_us())
for _, group in ipairs(input[2]) do
  local batch, ids, gone = open_batch({name = group[1]}, now), {}, {}
  for i, attempt in ipairs(group[2]) do ids[i] = attempt[1] end
  load_calls(batch, ids)
  for _, attempt in ipairs(group[2]) do add(batch, attempt, gone) end
  store(batch, gone)
end
return cmsgpack.pack(true)
