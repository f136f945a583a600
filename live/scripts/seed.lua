-- After a loss: stores which switches have to report before the state is complete. ARGV[1]:
-- {{switch, µs to await it, lease}, ...} for the switches that were active before the loss.
-- Returns the names of those that have to report; none if another caller has already seeded.
local SWEPT_US = 120000000 -- by then the sweep has removed calls whose lease has expired
local now_us = redis_us()
if completeness(now_us) ~= LOST then return cmsgpack.pack({}) end
local run, owing, active = run_id(), {}, {}
redis.call('DEL', key('owing'), key('beats'))
redis.call('HSET', key('kept'), 'run', run, 'since', 0)

local expected = cmsgpack.unpack(ARGV[1])
if expected[1] then invalidate_attempts(now_us) end -- even if a switch has reported since
for _, awaited in ipairs(expected) do
  local switch = load_switch(awaited[1], awaited[3])
  active[switch.name] = true
  if switch.run ~= run then
    await_report(switch, 'REDIS_LOST', now_us, awaited[2])
    owing[#owing + 1] = switch.name
    store_switch(switch)
  end
end
-- A restored old state may contain calls of switches that had left before the loss.
for _, name in ipairs(redis.call('SMEMBERS', key('switches'))) do
  local switch = load_switch(name)
  if not active[name] and switch.count > 0 and switch.born ~= run then
    redis.call('ZADD', key('owing'), digits(now_us + SWEPT_US), name)
  end
end
return cmsgpack.pack(owing)
