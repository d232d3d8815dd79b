"""The deciding side of an Image: its host, its users, when it may go."""
