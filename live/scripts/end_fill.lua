-- Ends a fill after its last record. ARGV[1]: nonce. Returns false if the fill has to begin again.
if not is_filling(ARGV[1]) then return cmsgpack.pack(false) end
redis.call('HSET', window, 'filled', 1)
return cmsgpack.pack(true)
