"""One file for each training algorithm."""
