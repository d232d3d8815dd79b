"""What would move where if a host went, or for the balance: asked of the leader; nothing is changed."""
