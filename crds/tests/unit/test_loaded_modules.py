"""What a service loads it keeps for as long as it runs, on every host."""

from __future__ import annotations

import subprocess
import sys

import pytest

# of development, or what only they load
UNWANTED = ("_pytest", "hypothesis", "mypy", "pygments", "pytest", "quantix_lab", "rich")

_STARTED = """
import contextlib, sys
from {service}.main import main
with contextlib.suppress(SystemExit):
    main(["--help"])
print(*(name for name, found in sys.modules.items() if found), file=sys.stderr)
"""


@pytest.mark.parametrize("service", ["quantix_hostd", "quantix_operator"])
def test_no_tool_of_development_is_loaded(service: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _STARTED.format(service=service)], check=True, capture_output=True, text=True
    )
    loaded = {name.partition(".")[0] for name in ran.stderr.split()}
    assert {"structlog", service} <= loaded
    assert sorted(loaded.intersection(UNWANTED)) == []
