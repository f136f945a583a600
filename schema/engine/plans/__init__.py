"""How the values of an answer are read without a call or coroutine for each field."""
