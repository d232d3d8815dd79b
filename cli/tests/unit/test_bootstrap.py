"""`make up` begins on a Python that has nothing but its standard library."""

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]


def test_the_bootstrap_needs_no_package() -> None:
    # -S: no site-packages, as on a machine where nothing is installed yet
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", "import quantix_cli.up.bootstrap"],
        env={"PYTHONPATH": f"{CHECKOUT / 'crds/src'}:{CHECKOUT / 'cli/src'}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
