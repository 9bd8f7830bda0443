"""`rlctl`: parse, call down, print."""
