"""Whose word counts about where the data of a Volume is, and what Volume it is made from."""
