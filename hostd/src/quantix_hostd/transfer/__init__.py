"""Data on its way into a pool, image or full copy: in the background, in turns, within the pool's room."""
