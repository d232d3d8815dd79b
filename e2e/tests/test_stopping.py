"""`qx down` keeps everything, `qx up` brings it back, and `clean` leaves nothing. On a machine of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from quantix_lab.guest_console import guest_console
from quantix_lab.machine import Machine
from quantix_lab.machine_view import MachineView, ipv4

MARK = "written-before-down"
SECTOR = 80000
"""Near the end of the disk of 40 MiB, which the few files of the guest do not reach."""


@pytest.fixture(scope="module")
def own() -> Iterator[MachineView]:
    """A machine that the tests of other modules do not see."""
    with Machine("stopper") as machine:
        machine.up()
        yield MachineView(machine)


def test_down_shuts_guests_down_and_up_brings_them_back(own: MachineView) -> None:
    vm = own.wait_ready("web-1", reason="Running")
    own.wait_answer(ipv4(vm))
    with guest_console(own.machine, "web-1") as console:
        write = f"echo {MARK} | dd of=/dev/vda seek={SECTOR} bs=512 conv=sync; sync; echo done"
        console.run(write, until="\ndone")

    said = own.machine.down()
    assert re.search(r"^Stopped in .*\. 1 VM was shut down \(web-1\); make up starts it again\.", said, re.M)
    assert own.qemus() == []
    assert own.service("controlplane") == own.service("hostd") == 0
    assert own.machine.down().strip().endswith("nothing to stop. Data kept.")

    assert re.search(r"^Ready in .*\. web-1 is Running at [0-9.]+\.", own.machine.up(), re.M)
    back = own.wait_ready("web-1", reason="Running")
    assert back["metadata"]["uid"] == vm["metadata"]["uid"]
    assert ipv4(back) == ipv4(vm)
    assert back["status"]["runtime"]["lastExit"]["reason"] == "HostShutdown"
    with guest_console(own.machine, "web-1") as console:
        console.run(f"dd if=/dev/vda skip={SECTOR} bs=512 count=1 2>/dev/null; echo", until=MARK)


def test_clean_removes_all_that_up_made(own: MachineView) -> None:
    machine = own.machine
    foreign = machine.root / "var/lib/somebody"
    foreign.mkdir(parents=True)
    done = machine.run(sys.executable, "-m", "quantix_cli.up.clean", timeout_s=120)
    assert done.stdout.strip().splitlines()[-1].startswith("Removed in ")
    assert own.qemus() == []
    listed = [str(path.relative_to(machine.root)) for path in machine.root.rglob("*quantix*")]
    assert listed == []
    assert foreign.exists()
    links = {
        line.split()[0].partition("@")[0] for line in machine.run("ip", "-br", "link").stdout.splitlines()
    }
    assert links == {"lo", "uplink"}, f"links were left behind: {links}"
    tables = subprocess.run(
        machine.argv(["nft", "list", "tables"]), capture_output=True, text=True, check=True
    )
    assert "quantix" not in tables.stdout
