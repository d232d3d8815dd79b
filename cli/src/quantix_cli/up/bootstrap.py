"""Where `make up`, `make test` and `make clean` begin: on any Python 3.11, before anything is installed.

`python3 -m quantix_cli.up.bootstrap up` prepares the machine and becomes `qx up`, `… join` likewise `qx
cluster join`; `… prepare` only prepares, for the tests; `… clean` becomes the removal, or removes by itself
what a preparation that never ended has left. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import sys

from quantix_api.errors import QuantixError
from quantix_cli.exits import CommandError, Interrupted
from quantix_cli.questions import confirm
from quantix_cli.settings import read_settings
from quantix_cli.terminal import Terminal
from quantix_cli.up import neighbours
from quantix_cli.up.pools_elsewhere import pools_elsewhere
from quantix_cli.up.prepare.preparation import Preparation
from quantix_cli.up.prepare.python import MARK_NAME
from quantix_cli.up.run.alone import alone
from quantix_cli.up.run.progress import Progress
from quantix_cli.up.run.runner import now_s, open_log, require_root, run_to_exit_code, show_header
from quantix_cli.up.run.steps import run_steps
from quantix_cli.up.run.words import steps_kept
from quantix_cli.up.settings import UpSettings, judge_settings

COMMANDS = {"up": "make up", "join": "make join", "prepare": "make test", "clean": "make clean"}
DEEDS = {"make clean": "removes what make up made"}


# what goes on with each, once the machine is prepared
_GOING_ON = {"make up": ("up",), "make join": ("cluster", "join")}


def up(settings: UpSettings, terminal: Terminal, began_s: float, command: str = "make up") -> int:
    """Prepare the machine. Returns an exit code, or does not return: `qx up` or `qx cluster join` takes over.

    Raises PermanentError beside another installation that runs, before anything is written, and while another
    command works for this one.
    """
    neighbours.require_alone(settings.layout.root)
    with alone(settings, command):
        code, changed = prepare(settings, terminal, command)
        if code != 0:
            return code
        handed_over = {"QUANTIX_UP_SINCE": str(began_s), "QUANTIX_UP_CHANGED": "yes" if changed else "no"}
        qx = str(settings.venv / "bin/qx")
        # the lock is let go, and taken again by what begins here
        os.execve(qx, [qx, *_GOING_ON[command]], {**os.environ, **handed_over})


def prepare(settings: UpSettings, terminal: Terminal, command: str) -> tuple[int, bool]:
    """Install and build what `command` needs; the exit code, and whether anything was to do."""
    log = open_log(settings)
    for_tests = command == COMMANDS["prepare"]
    for_member = command == COMMANDS["join"] or (settings.is_member and not for_tests)
    preparation = Preparation(settings, log, for_tests=for_tests, for_member=for_member)
    progress = Progress(terminal, now_s)
    if not for_tests:
        show_header(settings, progress)
    changed = False

    async def work() -> int:
        nonlocal changed
        outcomes = await run_steps(preparation.steps(), progress, log)
        changed = any(outcome.changed for outcome in outcomes.values())
        return 0

    return run_to_exit_code(work, terminal, log, again=command), changed


def clean(settings: UpSettings, terminal: Terminal) -> int:
    """Remove the installation, with the programs that it brought; without them only what is half made.

    Whoever sits at a terminal is asked first. Raises CommandError when the answer is no, PermanentError when
    another installation runs the programs of this checkout, and while another command works for this one.
    """
    layout = settings.layout
    neighbours.require_own_programs(settings.venv, layout.root)
    if layout.data.exists():
        left = pools_elsewhere(layout)
        stays = [f"but for the data of pools in {', '.join(map(str, left))}, which stays"] if left else []
        confirm(
            "Remove Quantix from this machine?",
            [f"every VM of it, and all data in {layout.data}", *stays],
            assume_yes=not sys.stdin.isatty(),
            terminal=terminal,
        )
    if not (settings.venv / MARK_NAME).exists():
        if not (layout.etc.exists() or layout.data.exists()):
            return _remove_half_made(settings, terminal)
        terminal.note(
            terminal.plain("The programs of this installation are gone; they are installed again first.")
        )
        with alone(settings, COMMANDS["clean"]):
            code, _ = prepare(settings, terminal, COMMANDS["clean"])
        if code != 0:
            return code
    python = str(settings.venv / "bin/python")
    os.execv(python, [python, "-m", "quantix_cli.up.stop.clean"])


def _remove_half_made(settings: UpSettings, terminal: Terminal) -> int:
    """Remove what is there before anything was started: downloads, builds and the log."""
    own = (settings.venv, *settings.own_cache, settings.layout.log)
    made = [folder for folder in own if folder.exists()]
    if not made:
        terminal.out("Nothing to remove.")
        return 0
    with alone(settings, COMMANDS["clean"]):
        for folder in made:
            shutil.rmtree(folder)
        # made for the lock alone, where there was none
        shutil.rmtree(settings.layout.log, ignore_errors=True)
    terminal.out(f"Removed: {', '.join(map(str, made))}. Packages stay.")
    return 0


def run(command: str, terminal: Terminal, settings: UpSettings, began_s: float) -> int:
    """Do what one of COMMANDS does; its exit code."""
    # before the log, which only root may write
    require_root(command, DEEDS.get(command, "installs packages and starts VMs"), os.geteuid())
    if command in _GOING_ON:
        return up(settings, terminal, began_s, command)
    if command == COMMANDS["clean"]:
        return clean(settings, terminal)
    return prepare(settings, terminal, command)[0]


def main() -> None:
    began_s = now_s()
    command = COMMANDS[sys.argv[1]]
    given = read_settings(os.environ)
    terminal = given.terminal
    try:
        sys.exit(run(command, terminal, judge_settings(given), began_s))
    except Interrupted as said:
        terminal.note(f"\n{terminal.plain(said.message)}")
        sys.exit(130)
    except KeyboardInterrupt:
        # in a moment in which no step runs
        terminal.note(terminal.plain(steps_kept(command)))
        sys.exit(130)
    except CommandError as refused:
        terminal.note(terminal.plain(refused.message))
        sys.exit(refused.exit_code)
    except (QuantixError, OSError) as error:
        terminal.note(terminal.plain(str(error)))
        sys.exit(1)


if __name__ == "__main__":
    main()
