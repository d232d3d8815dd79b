"""The deciding side of a Volume: who has it, which host acts on it, when it may go."""
