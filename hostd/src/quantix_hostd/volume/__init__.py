"""Volumes on this host: made, grown and removed in `dir` pools."""
