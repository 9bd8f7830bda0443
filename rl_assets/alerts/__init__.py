"""Telling people what became of their models: what happened in a sentence, and the ways to say it. No Dagster here."""
