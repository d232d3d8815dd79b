"""What would move where if a host went: pure, on a snapshot of the caches."""
