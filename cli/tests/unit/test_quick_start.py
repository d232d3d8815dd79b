"""What a command leaves out while it starts: nobody waits for it. `make bench-cli` takes the times."""

from __future__ import annotations

import subprocess
import sys


def test_the_client_is_loaded_without_models() -> None:
    program = "import sys, quantix_client.api; print('pydantic' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "False"
