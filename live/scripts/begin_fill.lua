-- Begins to fill the window. ARGV[1]: a nonce. Returns {nonce, time of Redis}; false if the window
-- is filled, or if another reader is filling it.
local now = redis_us()

local function is_busy()
  local busy = tonumber(redis.call('HGET', window, 'busy') or 0)
  return busy > now and busy <= now + FILL_US
end

if is_filled() then return cmsgpack.pack(false) end
local run, nonce = unpack(redis.call('HMGET', window, 'run', 'nonce'))
if not nonce or run ~= run_id() then
  nonce = ARGV[1]
  redis.call('DEL', window)
  redis.call('HSET', window, 'run', run_id(), 'nonce', nonce)
elseif is_busy() then
  return cmsgpack.pack(false)
end
mark_busy(now)
return cmsgpack.pack({nonce, now})
