"""Moves that even out the load of hosts, or mend rules of placement: which, why, and when."""
