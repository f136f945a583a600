-- Removes calls whose lease has expired. ARGV[1]: now in µs. Returns {more, lost calls}.
local now = tonumber(ARGV[1])
local scopes, lost, more = {}, {}, false
for _, name in ipairs(redis.call('SMEMBERS', key('switches'))) do
  local batch = open_batch(load_switch(name), now)
  batch.scopes = scopes
  -- A switch that is known only from records has tombstones but no active calls.
  local oldest = batch.switch.known and now - batch.switch.lease
  if oldest and batch.switch.renewed <= oldest then
    local ids = redis.call(
      'ZRANGEBYSCORE', key('up', name), '-inf', digits(oldest), 'LIMIT', 0, SLICE)
    more = more or #ids == SLICE
    load_calls(batch, ids)
    for _, id in ipairs(ids) do lost[#lost + 1] = remove_call(batch, id) end
    store_calls(batch)
  end
  trim(name, now)
end
publish_changes(scopes)
return cmsgpack.pack({more, lost})
