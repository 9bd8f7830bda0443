"""Who descends from whom: records of what was read, and exact answers over them."""
