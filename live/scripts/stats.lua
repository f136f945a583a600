-- The sliding window of a scope. ARGV: scope, length in seconds, now in µs ('' for the time of
-- Redis), the last sequence that the reader has shown (0: none). Returns {sequence, the second in
-- which the window ends, attempts started in the last 10 full seconds, {attempts, answered, talk,
-- PDD, attempts with a PDD}, completeness}; false if it is not filled.
local scope, length, floor = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
local redis_now = redis_us()
local second = math.floor((tonumber(ARGV[3]) or redis_now) / 1000000)
local SHOWN_TTL_SECONDS = 3600

-- The fewest minutes and seconds that form the window: their fields and their starts.
local function slots()
  local fields, starts, at = {}, {}, second - length
  while at < second do
    local step = (at % 60 == 0 and at + 60 <= second) and 60 or 1
    fields[#fields + 1], starts[#starts + 1] = slot(step, at), at
    at = at + step
  end
  return fields, starts
end

local function sums()
  local fields, starts = slots()
  local total = {0, 0, 0, 0, 0}
  for i, packed in ipairs(redis.call('HMGET', key('ended', scope), unpack(fields))) do
    if packed then
      local known = {struct.unpack(SUMS, packed)}
      if known[1] == starts[i] then
        for n = 1, 5 do total[n] = total[n] + known[n + 1] end
      end
    end
  end
  return total
end

if not is_filled() then return cmsgpack.pack(false) end
local recent, total = recent_attempts(scope, second), sums()
local completeness_now = completeness(redis_now)
local figures = figures_of(recent, completeness_now)
for _, number in ipairs(total) do figures = figures .. ' ' .. digits(number) end
local gauge = key('shown', scope, length)
local sequence = shown_sequence(gauge, figures, redis_now, floor)
redis.call('EXPIRE', gauge, SHOWN_TTL_SECONDS)
return cmsgpack.pack({sequence, second, recent, total, completeness_now})
