"""Which host runs which VM: pure filters, scores and plans, and the controller that writes assignments."""
