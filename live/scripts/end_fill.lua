-- All records have been counted. ARGV[1]: nonce. Returns false where the fill has to begin anew.
if not is_filling(ARGV[1]) then return cmsgpack.pack(false) end
redis.call('HSET', window, 'filled', 1)
return cmsgpack.pack(true)
