"""What `qx vm create|set|attach|detach` make of the words of a user: manifests and patches. Pure."""
