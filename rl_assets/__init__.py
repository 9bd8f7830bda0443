"""The reinforcement-learning lifecycle as one Dagster asset graph."""

__version__ = "0.1.0"
