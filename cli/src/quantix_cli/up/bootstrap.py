"""Where `make up` and `make test` begin: on any Python 3.11, before anything is installed.

`python3 -m quantix_cli.up.bootstrap up` prepares the machine and becomes `qx up`; `… prepare` only prepares,
for the tests. Standard library only.
"""

from __future__ import annotations

import os
import sys

from quantix_api.errors import QuantixError
from quantix_cli.settings import read_settings
from quantix_cli.terminal import Terminal
from quantix_cli.up.prepare.preparation import Preparation
from quantix_cli.up.run.progress import Progress
from quantix_cli.up.run.runner import now_s, open_log, require_root, run_to_exit_code, show_header
from quantix_cli.up.run.steps import run_steps
from quantix_cli.up.run.words import steps_kept
from quantix_cli.up.settings import UpSettings, judge_settings


def prepare(settings: UpSettings, terminal: Terminal, began_s: float, *, for_tests: bool) -> int:
    """Run the first half. Returns an exit code, or does not return: `qx up` takes over."""
    log = open_log(settings)
    preparation = Preparation(settings, log, for_tests=for_tests)
    progress = Progress(terminal, now_s)
    if not for_tests:
        show_header(settings, progress)
    changed = False

    async def work() -> int:
        nonlocal changed
        outcomes = await run_steps(preparation.steps(), progress, log)
        changed = any(outcome.changed for outcome in outcomes.values())
        return 0

    code = run_to_exit_code(work, terminal, log, again=_command(for_tests))
    if code != 0 or for_tests:
        return code
    handed_over = {"QUANTIX_UP_SINCE": str(began_s), "QUANTIX_UP_CHANGED": "yes" if changed else "no"}
    qx = str(settings.venv / "bin/qx")
    os.execve(qx, [qx, "up"], {**os.environ, **handed_over})


def _command(for_tests: bool) -> str:
    return "make test" if for_tests else "make up"


def main() -> None:
    began_s = now_s()
    for_tests = sys.argv[1:] == ["prepare"]
    given = read_settings(os.environ)
    terminal = given.terminal
    try:
        settings = judge_settings(given)
        # before the log, which only root may write
        require_root(_command(for_tests), "installs packages and starts VMs", os.geteuid())
        sys.exit(prepare(settings, terminal, began_s, for_tests=for_tests))
    except KeyboardInterrupt:
        # in a moment in which no step runs
        terminal.note(terminal.plain(steps_kept(_command(for_tests))))
        sys.exit(130)
    except (QuantixError, OSError) as error:
        terminal.note(terminal.plain(str(error)))
        sys.exit(1)


if __name__ == "__main__":
    main()
