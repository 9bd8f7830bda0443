"""Clients and their data: who owns what, under which pseudonym, and which bytes exactly."""
