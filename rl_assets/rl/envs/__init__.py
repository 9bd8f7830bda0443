"""Environments: which exist, whether they can be trained in, and pools of them to step."""
