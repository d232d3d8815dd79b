"""The host's own part of the guests' network: bridges, ovn-controller's settings, the host leg and the way
out.
"""
