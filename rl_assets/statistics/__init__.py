"""Estimates, rankings and gates as pure functions of numbers."""
