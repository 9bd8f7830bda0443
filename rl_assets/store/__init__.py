"""Artifact bytes: content-addressed, under their owners' names, verified whenever they are read."""
