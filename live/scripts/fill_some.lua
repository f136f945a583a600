-- Counts attempts from the records, unless they are. ARGV: nonce, then
-- {now, {{switch, attempts}, ...}}, times in µs; an attempt: {call id, customer, setup, end,
-- answered, talk, PDD}. Nothing else of the live picture changes: no news of the switch is in it.
-- Returns false where Redis has been emptied since the fill began.
local nonce, input = ARGV[1], cmsgpack.unpack(ARGV[2])
local now = input[1]

local function add(batch, attempt, new)
  local id, customer, setup, ended, answered, talk, pdd = unpack(attempt, 1, 7)
  local call = batch.calls[id]
  if not call then
    call = new_call(batch, id, ENDED, customer, setup)
    call[AT] = ended
    new[#new + 1] = left_at(batch, call)
    new[#new + 1] = id
  end
  local second = math.floor(ended / 1000000)
  local counted = {customer, second, answered and 1 or 0, talk, pdd or false}
  if count_ended(batch, call, counted, true) then batch.changed[id] = true end
end

local function store(batch, new)
  local name, records = batch.switch.name, {}
  for id in pairs(batch.changed) do
    records[#records + 1] = id
    records[#records + 1] = cmsgpack.pack(batch.calls[id])
  end
  in_slices('HSET', key('calls', name), records)
  in_slices('ZADD', key('gone', name), new)
  redis.call('SADD', key('switches'), name)
  store_ended(batch)
end

if not is_filling(nonce) then return cmsgpack.pack(false) end
say_busy(redis_us())
for _, group in ipairs(input[2]) do
  local batch, ids, new = open_batch({name = group[1]}, now), {}, {}
  for i, attempt in ipairs(group[2]) do ids[i] = attempt[1] end
  load_calls(batch, ids)
  for _, attempt in ipairs(group[2]) do add(batch, attempt, new) end
  store(batch, new)
end
return cmsgpack.pack(true)
