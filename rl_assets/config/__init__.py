"""Experiments as data: strict models, canonical hashes and partition keys."""
