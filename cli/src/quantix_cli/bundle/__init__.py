"""What `qx support-bundle` takes along, what it takes out of it, and the file that it makes."""
