"""The state of a StoragePool, as its hosts tell it."""
