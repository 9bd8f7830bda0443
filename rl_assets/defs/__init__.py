"""The asset graph: decorators, names, metadata, and one call downward."""
