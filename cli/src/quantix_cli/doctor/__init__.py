"""What `qx doctor` looks at: this machine, the installation on it, and the platform when its API answers."""
