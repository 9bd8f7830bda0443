"""Removing from Dagster's own storage what it remembers of erased data."""
