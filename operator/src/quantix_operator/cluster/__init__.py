"""What the northbound database holds for the cluster itself: options, base groups, the hosts' own legs."""
