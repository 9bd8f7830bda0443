"""Networks of whole populations, with the members' parameters stacked."""
