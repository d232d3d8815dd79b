"""The Kubernetes client side that all components share: verbs, watches, queues, leases, server-side apply.

Empty, so that `qx`, which has to be quick, pays only for the modules that it names.
"""
