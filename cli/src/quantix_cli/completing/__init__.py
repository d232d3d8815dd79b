"""What a shell offers when Tab is pressed: words of the grammar, and names of objects."""
