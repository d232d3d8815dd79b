"""This host as an object of the API: what it has, how it is, and its legs into the networks."""
