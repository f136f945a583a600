-- Removes calls whose lease has run out. ARGV[1]: now in µs. Returns {more, lost calls}.
local now = tonumber(ARGV[1])
local scopes, lost, more = {}, {}, false
for _, name in ipairs(redis.call('SMEMBERS', key('switches'))) do
  local batch = open_batch(load_switch(name), now)
  batch.scopes = scopes
  -- One that is known from the records alone has tombstones, and nothing up.
  local oldest = batch.switch.known and now - batch.switch.lease
  if oldest and batch.switch.renewed <= oldest then
    local ids = redis.call(
      'ZRANGEBYSCORE', key('up', name), '-inf', digits(oldest), 'LIMIT', 0, SLICE)
    more = more or #ids == SLICE
    load_calls(batch, ids)
    for _, id in ipairs(ids) do lost[#lost + 1] = lose(batch, id) end
    store_calls(batch)
  end
  trim(name, now)
end
announce(scopes)
return cmsgpack.pack({more, lost})
