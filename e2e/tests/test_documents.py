"""What the pages of docs/ show as typed and answered, typed: on a machine fresh from the shop."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantix_cli.guestimage.build import ensure_image
from quantix_lab.checkout import CHECKOUT
from quantix_lab.machine import CACHE
from quantix_lab.machine_view import MachineView, Manifest
from quantix_lab.transcript import exchanges
from quantix_lab.typist import Typist
from quantix_lab.waiting import eventually

NAMESPACES = ("team-blue", "shop")
"""which pages make"""
LEFT_BEHIND = ("vm", "volume", "image", "securitygroup", "secret")
UNPROTECTED = ("--type=merge", "-p", '{"spec": {"deletionProtection": false}}')
GONE = ("--ignore-not-found", "--timeout=80s")
TYPED = [page for page in sorted((CHECKOUT / "docs").glob("*.md")) if any(exchanges(page.read_text()))]


@pytest.fixture
def typist(view: MachineView, web: Manifest, tmp_path: Path) -> Iterator[Typist]:
    """A person at the machine, with a disk from another platform; what they leave behind is deleted."""
    convert = ["qemu-img", "convert", "-O", "vmdk", str(ensure_image(CACHE)), str(tmp_path / "old-1.vmdk")]
    subprocess.run(convert, check=True, capture_output=True, timeout=60)
    # the group `default` is everybody's once it was made
    there = {kind: {*names(view, kind), "default"} for kind in LEFT_BEHIND}
    yield Typist(view.machine, tmp_path)
    view.patch_whole("vm", web["metadata"]["name"], web["spec"])
    for namespace in NAMESPACES:
        delete(view, "vm", names(view, "vm", namespace), namespace)
        for volume in names(view, "volume", namespace):
            # one that is its VM's may go with that meanwhile
            view.machine.kubectl("patch", "volume", volume, "-n", namespace, *UNPROTECTED, check=False)
        view.machine.kubectl("delete", "namespace", namespace, "--ignore-not-found", timeout_s=90)
    for kind, before in there.items():
        delete(view, kind, [name for name in names(view, kind) if name not in before])


def names(view: MachineView, kind: str, namespace: str = "default") -> list[str]:
    listed = view.machine.kubectl("get", kind, "-n", namespace, "-o", "name").stdout.split()
    return [entry.partition("/")[2] for entry in listed]


def delete(view: MachineView, kind: str, left: list[str], namespace: str = "default") -> None:
    """Delete what a page has left. No guest is given time to shut down; what is refused, as a volume that a
    VM still has, is tried again.
    """
    if kind == "vm":
        for name in left:
            view.patch("vm", name, {"spec": {"gracePeriodSeconds": 0}}, namespace)
    if left:
        command = ("delete", kind, *left, "-n", namespace, *GONE)
        eventually(
            f"{left} can be deleted",
            lambda: view.machine.kubectl(*command, check=False, timeout_s=90).returncode == 0,
            timeout_s=90,
        )


@pytest.mark.parametrize("page", TYPED, ids=lambda page: page.stem)
def test_what_a_page_shows_is_what_the_machine_answers(page: Path, typist: Typist) -> None:
    for exchange in exchanges(page.read_text()):
        typist.type(exchange)
