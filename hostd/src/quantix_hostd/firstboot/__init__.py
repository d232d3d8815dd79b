"""A VM's first-boot settings in a drive of their own: a NoCloud seed for cloud-init, or Windows' answers."""
