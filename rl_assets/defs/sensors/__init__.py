"""One file for each event that the graph reacts to."""
