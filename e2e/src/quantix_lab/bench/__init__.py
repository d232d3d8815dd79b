"""`make bench`: what Quantix costs, measured. Each module is one target and can be run alone."""
