-- Since when Redis has kept what it was told, in µs. ARGV[1]: now in µs, which it is where this is
-- asked first, of an emptied one and of one that came back with an old state.
local run, since = unpack(redis.call('HMGET', key('kept'), 'run', 'since'))
if not since or run ~= run_id() then
  since = ARGV[1]
  redis.call('HSET', key('kept'), 'run', run_id(), 'since', since)
end
return cmsgpack.pack(tonumber(since))
