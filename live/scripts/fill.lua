-- Shared by the scripts that fill the sliding window from the records and that read it. What is
-- counted is whole only in the run of Redis in which a reader has filled it to the end: an emptied
-- one, and one that came back with an old state, are filled anew.
local window = key('window')
local FILL_US = 5000000 -- how long a reader that fills it is waited for without a sign

local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end

local function is_filled()
  local run, filled = unpack(redis.call('HMGET', window, 'run', 'filled'))
  return filled and run == run_id()
end

-- Is it still the state in which the fill with this nonce began? Not where Redis has lost some of
-- it, or where ends were stored that it was not told of.
local function is_filling(nonce)
  local run, known = unpack(redis.call('HMGET', window, 'run', 'nonce'))
  return known == nonce and run == run_id()
end

local function say_busy(now_us)
  redis.call('HSET', window, 'busy', digits(now_us + FILL_US))
end
