"""`make lab`, `lab-down`, `lab-host-down` and `lab-host-up`: several real hosts on this machine, to look at
and to break.

`python -m quantix_lab.lab_command up 3`, `… up 3 ceph`, `… down`; `… host-down h2` pulls its plug, `… host-up
h2` switches it on again; `… h2 COMMAND` runs something in a host, `… rbd ls quantix` and `… ceph status` ask
the Ceph as its administrator.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from quantix_lab.ceph_pools import FAST
from quantix_lab.lab import Lab
from quantix_lab.simulated_host import SimulatedHost

Adopt = Callable[[Mapping[str, Any]], Lab]
STATE = Path("/run/quantix-lab.json")
_ENTER = f"{Path(sys.executable).parent}/python -m quantix_lab.lab_command"


def _out(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def up(count: int, *, ceph: bool) -> None:
    """Start one and leave it running, perhaps with a Ceph. Raises SystemExit where there is one."""
    if STATE.exists():
        sys.exit("There is a lab already. Try: make lab-down")
    began_s = time.monotonic()

    def say(step: str) -> None:
        _out(f"{time.monotonic() - began_s:6.1f} s  {step}")

    lab = Lab(count)
    try:
        lab.start(say, ceph=ceph)
    except BaseException:
        lab.close()
        raise
    STATE.write_text(json.dumps(lab.state))
    say(f"{count} hosts are one cluster")
    _out(how_to_look_around(lab))


def how_to_look_around(lab: Lab) -> str:
    """What to type next."""
    last = lab.hosts[-1].name
    storage = (
        f"  {_ENTER} h1 qx vm create web-3 --image shared/tiny --pool fast      its disk is in Ceph",
        f"  {_ENTER} rbd ls {FAST}",
        f"  {_ENTER} ceph status",
    )
    return "\n".join(
        (
            "",
            f"  {_ENTER} h1 qx status",
            f"  {_ENTER} h1 qx vm create web-2 --image shared/tiny",
            *(storage if lab.ceph.pids else ()),
            f"  {_ENTER} {last} bash          a shell on {last}: its own network, processes and files",
            f"  make lab-host-down HOST={last}      pulls the plug of {last}",
            f"  make lab-host-up HOST={last}        switches it on again",
            f"  logs: {lab.folder}/h*/var/log/quantix",
            "  make lab-down",
        )
    )


def down() -> None:
    """End it, and remove all that it made."""
    if not STATE.exists():
        _out("There is no lab.")
        return
    Lab.adopt(json.loads(STATE.read_text())).close()
    STATE.unlink()
    _out("The lab is gone.")


def pull_plug(name: str, state: Path = STATE, adopt: Adopt = Lab.adopt) -> None:
    """End a host as a loss of power does. Raises SystemExit: there is none of this name, or it is off."""
    lab, host = _found(name, state, adopt)
    if not host.is_running:
        sys.exit(f"{name} is off. Try: make lab-host-up HOST={name}")
    host.kill()
    state.write_text(json.dumps(lab.state))
    _out(f"{name} is off. Its power is back by: make lab-host-up HOST={name}")


def switch_on(name: str, state: Path = STATE, adopt: Adopt = Lab.adopt) -> None:
    """Give a host its power back, and start Quantix on it. Raises SystemExit where there is none of this
    name, or it is on.
    """
    lab, host = _found(name, state, adopt)
    if host.is_running:
        sys.exit(f"{name} is on. Try: make lab-host-down HOST={name}")
    host.start_host()
    # should the rest not work, the host can be entered and ended all the same
    state.write_text(json.dumps(lab.state))
    host.up()
    _out(f"{name} is on again, and Quantix runs on it.")


def _found(name: str, state: Path, adopt: Adopt) -> tuple[Lab, SimulatedHost]:
    lab = adopt(json.loads(state.read_text())) if state.exists() else None
    host = next((one for one in lab.hosts if one.name == name), None) if lab else None
    if lab is None or host is None:
        sys.exit(f"There is no host {name or 'without a name'} in a lab. Try: make lab, and HOST=h2")
    return lab, host


def enter(name: str, command: Sequence[str]) -> None:
    """Become `command` inside a host. Raises SystemExit where there is none of this name, or it is off."""
    _, host = _found(name, STATE, Lab.adopt)
    if not host.is_running:
        sys.exit(f"{name} is off. Try: make lab-host-up HOST={name}")
    programs = Path(sys.executable).parent
    environment = {**host.environment, "PATH": f"{programs}:{os.environ.get('PATH', '')}"}
    argv = host.argv(command or ["bash"])
    os.execvpe(argv[0], argv, environment)


def ask_ceph(command: Sequence[str]) -> None:
    """Become a command of Ceph's administrator. Raises SystemExit where no Ceph runs."""
    lab = Lab.adopt(json.loads(STATE.read_text())) if STATE.exists() else None
    if lab is None or not lab.ceph.pids:
        sys.exit("No lab with a Ceph runs. Try: make lab CEPH=1")
    program, *words = command
    argv = ["ip", "netns", "exec", lab.world, program, "-c", str(lab.ceph.config), *words]
    os.execvp(argv[0], argv)


def main(words: Sequence[str]) -> None:
    """Do what the words say."""
    match words:
        case ["up", count] if count.isdecimal() and 1 <= int(count) <= 20:
            up(int(count), ceph=False)
        case ["up", count, "ceph"] if count.isdecimal() and 1 <= int(count) <= 20:
            up(int(count), ceph=True)
        case ["down"]:
            down()
        case ["host-down", *name]:
            pull_plug("".join(name))
        case ["host-up", *name]:
            switch_on("".join(name))
        case ["ceph" | "rbd", *_]:
            ask_ceph(words)
        case [name, *command] if name.startswith("h"):
            enter(name, command)
        case _:
            sys.exit("make lab HOSTS=3 (1 to 20), make lab-down")


if __name__ == "__main__":
    main(sys.argv[1:])
