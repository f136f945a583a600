-- Shared by the scripts that fill the sliding window from the records and that read it. The window
-- is complete only in the run of Redis in which a reader has filled it to the end. After a loss or a
-- restart with an old state, it is filled again.
local window = key('window')
local FILL_US = 5000000 -- how long an inactive fill blocks others

local function is_filled()
  local run, filled = unpack(redis.call('HMGET', window, 'run', 'filled'))
  return filled and run == run_id()
end

-- Is the fill with this nonce still valid? Not after a loss of Redis, or after ends that did not
-- reach it.
local function is_filling(nonce)
  local run, known = unpack(redis.call('HMGET', window, 'run', 'nonce'))
  return known == nonce and run == run_id()
end

local function mark_busy(now_us)
  redis.call('HSET', window, 'busy', digits(now_us + FILL_US))
end
