"""Dagster adapters over the layers below: where artifacts live, what was read, what happened, what runs."""
