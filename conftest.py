"""Makes the shared fixtures known to the tests of every component."""

pytest_plugins = ["quantix_lab.fixtures"]
