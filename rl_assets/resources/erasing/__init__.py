"""Erasing a client's data from everything that this installation keeps."""
