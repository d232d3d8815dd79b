"""The machine that the end-to-end tests share: bringing one up costs half a minute."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quantix_lab.machine import Machine
from quantix_lab.machine_view import EXAMPLE, MachineView, Manifest

_ORDER = (
    *("test_first_vm", "test_qx_verbs", "test_live_changes", "test_debian_guest"),
    *("test_modes", "test_bad_input", "test_faults"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """As a person would go on: first that it works, then what is wrong, then what breaks."""
    places = {name: place for place, name in enumerate(_ORDER)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """A machine fresh from the shop, on which nothing was started yet."""
    with Machine("box") as fresh:
        yield fresh


@pytest.fixture(scope="session")
def view(machine: Machine) -> MachineView:
    """The shared machine, with Quantix running on it."""
    machine.up()
    return MachineView(machine)


@pytest.fixture
def web(view: MachineView) -> Manifest:
    """The example VM, Ready, whatever the tests before did to it."""
    view.apply(EXAMPLE.read_text())
    held = view.get("virtualmachine", "web-1").get("status", {}).get("assignment", {}).get("hold")
    if held:
        view.machine.qx("vm", "start", "web-1")
    return view.wait_ready("web-1", reason="Running")
