-- Returns whether Redis has lost the live state since it was last seeded.
return cmsgpack.pack(completeness(redis_us()) == LOST)
