"""The machines that the end-to-end tests share, one for each worker: bringing one up costs half a minute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest
from xdist.remote import Producer

from quantix_lab import roomy_guest
from quantix_lab.auditor import Auditor
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.guest_console import GuestConsole, guest_console
from quantix_lab.lab import Lab
from quantix_lab.lab_ceph import POOL
from quantix_lab.machine import Machine
from quantix_lab.machine_view import EXAMPLE, MachineView, Manifest
from quantix_lab.moving_guest import MovingGuest
from quantix_lab.side_by_side import Groups, group_of
from quantix_lab.worlds import Worlds

# What runs on the machine that a worker has, one after the other: as a person would go on, first that it
# works, then what is wrong, then what breaks. The pages of docs/ are typed where nothing ran before.
_SHARED = (
    (
        *("test_documents", "test_first_vm", "test_guest_network", "test_floating_ips", "test_qx_verbs"),
        *("test_examples", "test_live_changes", "test_live_nics", "test_start_order", "test_modes"),
        *("test_bad_input", "test_wishes_in_vain", "test_faults"),
    ),
    (
        "test_cloud_init_page",
        "test_debian_guest",
        "test_uefi_guest",
        "test_other_devices",
        "test_clones",
        "test_snapshots",
        "test_images",
        "test_pool_in_ceph",
    ),
)
# modules with machines of their own, for whichever worker is done first: those that take longest come first
_ALONE = ("test_up_and_down", "test_users_cluster", "test_bench")
# on a lab of several hosts, first how they become one cluster
_SEVERAL_HOSTS = (
    *("test_migration", "test_migration_in_ceph", "test_migration_kills", "test_migration_with_state"),
    *("test_joining", "test_several_hosts", "test_balancing", "test_maintenance"),
    "test_networks_across_hosts",
)
_GROUPS = (*_SHARED, _SEVERAL_HOSTS, *((module,) for module in _ALONE))
_PLACES = {
    module: (number, place) for number, group in enumerate(_GROUPS) for place, module in enumerate(group)
}
_worlds = Worlds()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order of the groups, before other folders. Raises UsageError for a module of no group."""
    here = [item for item in items if item.path.parent == Path(__file__).parent]
    homeless = sorted({item.path.stem for item in here} - _PLACES.keys())
    if homeless:
        raise pytest.UsageError(f"{__file__} has no group for {', '.join(homeless)}")
    others = [item for item in items if item.path.parent != Path(__file__).parent]
    items[:] = [*sorted(here, key=lambda item: _PLACES[item.path.stem]), *others]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    """Two machines side by side, one for each worker; files of other folders as without these."""
    return Groups(config, log, _group)


def _group(file: PurePosixPath) -> str:
    return f"group-{_PLACES[file.stem][0]}" if file.stem in _PLACES else group_of(file)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """What the tests of a group share ends with the last of them, not while those of another run."""
    yield
    if nextitem is None or _group(PurePosixPath(nextitem.path)) != _group(PurePosixPath(item.path)):
        _worlds.end()


def pytest_sessionfinish() -> None:
    """Of a session that was broken off in the middle of a group."""
    _worlds.end()


@contextmanager
def _machine_up() -> Iterator[MachineView]:
    with Machine("box") as fresh:
        fresh.up()
        yield MachineView(fresh)


@contextmanager
def _hosts() -> Iterator[Lab]:
    with Lab(3) as hosts:
        yield hosts


@contextmanager
def _ceph_of_the_lab() -> Iterator[CephCluster]:
    lab = _worlds.the(_hosts)
    cluster = lab.ceph.start()
    lab.ceph.name_to(lab.first, lab.hosts)
    MachineView(lab.first).wait_ready(
        POOL, kind="storagepool", reason="Reachable", namespace="", timeout_s=90
    )
    # it ends with the lab
    yield cluster


@pytest.fixture(scope="module")
def view() -> MachineView:
    """The machine of the group, with Quantix running on it."""
    return _worlds.the(_machine_up)


@pytest.fixture(scope="module")
def machine(view: MachineView) -> Machine:
    """The same as such."""
    return view.machine


@pytest.fixture(scope="module")
def lab() -> Lab:
    """Three hosts that are one cluster."""
    return _worlds.the(_hosts)


@pytest.fixture(scope="module")
def ceph(lab: Lab) -> CephCluster:
    """The Ceph beside them, which is StoragePool `fast`."""
    return _worlds.the(_ceph_of_the_lab)


@pytest.fixture
def audited() -> Iterator[None]:
    """No VM runs twice while the test lasts."""
    with Auditor() as auditor:
        yield
        auditor.check()


@pytest.fixture
def slow(guest: MovingGuest) -> Iterator[MovingGuest]:
    """The guest of a module, which on its way can be met."""
    guest.slowly("10Mi")
    yield guest
    guest.slowly(None)


@pytest.fixture
def web(view: MachineView) -> Manifest:
    """The example VM, Ready, whatever the tests before did to it."""
    view.apply(EXAMPLE.read_text())
    held = view.get("virtualmachine", "web-1").get("status", {}).get("assignment", {}).get("hold")
    if held:
        view.machine.qx("vm", "start", "web-1")
    return view.wait_ready("web-1", reason="Running")


@pytest.fixture(scope="module")
def roomy(view: MachineView) -> Iterator[Manifest]:
    """A guest with room to grow, one QEMU from the first test of a module to the last."""
    with roomy_guest.roomy_guest(view) as booted:
        yield booted


@pytest.fixture
def console(view: MachineView, roomy: Manifest) -> Iterator[GuestConsole]:
    """Of the guest with room to grow."""
    with guest_console(view.machine, roomy_guest.NAME) as opened:
        yield opened


@pytest.fixture
def same_qemu(view: MachineView, roomy: Manifest) -> Iterator[None]:
    """The test restarts that guest in no way."""
    with roomy_guest.same_qemu(view):
        yield
