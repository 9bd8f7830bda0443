"""Telling people what was decided and what failed."""
