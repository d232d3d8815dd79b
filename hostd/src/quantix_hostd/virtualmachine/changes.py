"""Which differences between the running domain and spec wait for the next start. Pure.

Called by `status`. Only differences that a field of spec explains count: a new renderer's defaults must not
make every VM say RestartRequired (hypervisor.md, section 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quantix_api.quantities import format_size
from quantix_hostd.domainxml.memory import BLOCK_BYTES
from quantix_hostd.domainxml.render import render_domain
from quantix_hostd.domainxml.spec import DomainSpec
from quantix_hostd.domainxml.view import Difference, DomainView, differences, view
from quantix_hostd.domainxml.view_fields import SMBIOS_FIELDS
from quantix_hostd.virtualmachine.change_words import ATTACHED, of_device, of_domain
from quantix_hostd.virtualmachine.desired import ANSWERS_NAME, SEED_NAME
from quantix_hostd.virtualmachine.live_plan import more_memory, takes_cores
from quantix_hostd.virtualmachine.plug_plan import leaving

_MAX_CHANGES = 64
# read from these is what a guest that runs has of its host (`promised`, the scheduler): never left out
_OF_THE_HOST = ("spec.hostDevices[", "spec.memory.hugepages", "spec.cpu.dedicated", "spec.cpu.numa")
_FIELD_PATHS = {
    "cores": "spec.cpu.cores",
    "max_cores": "spec.cpu.maxCores",
    "sockets": "spec.cpu.sockets",
    "threads": "spec.cpu.threads",
    "cpu_mode": "spec.cpu.model",
    "cpu_model": "spec.cpu.model",
    "cpu_features": "spec.cpu.features",
    "memory_bytes": "spec.memory.size",
    "max_memory_bytes": "spec.memory.maxSize",
    "page": "spec.memory.hugepages",
    "numa": "spec.cpu.numa",
    "machine": "spec.identity.machineType",
    "loader": "spec.firmware.type",
    "secure": "spec.firmware.secureBoot",
    "smm": "spec.firmware.secureBoot",
    **{f"smbios.{field}": f"spec.identity.smbios.{field}" for field in SMBIOS_FIELDS.values()},
    "hyperv": "spec.os",
    "clock": "spec.clock.timezone",
    "timezone": "spec.clock.timezone",
    "boot_menu": "spec.boot.menuSeconds",
    "boot_menu_timeout": "spec.boot.menuSeconds",
}
_CORES, _MAX_CORES = "spec.cpu.cores", "spec.cpu.maxCores"
_SIZE, _MAX_SIZE = "spec.memory.size", "spec.memory.maxSize"
# of what the view has in so many bytes
_UNIT_BYTES = {_SIZE: 1, _MAX_SIZE: 1, "spec.memory.hugepages": 1024}
# without a time zone the kind of guest chooses
_CLOCKS = {"utc", "localtime"}
_DEDICATED = "spec.cpu.dedicated"
_BOOT_ORDER = "spec.boot.order"
_DISK_FIELDS = {
    "bus": "bus",
    "cache": "cache",
    "read_only": "readOnly",
    "serial": "serial",
}
_CDROM_FIELDS = {"path": "image"}
_NIC_FIELDS = {"mac": "mac", "model": "model", "mtu": "network", "switch_port": "network"}
_PLUGGED = ("spec.disks", "spec.nics")
_CONSOLE = {
    "graphics": "spec.console.vnc",
    "ua-qx_serial": "spec.console.serial",
    "ua-qx_video": "spec.console.video",
    "video": "spec.console.video",
    "ua-qx_tpm": "spec.firmware.tpm",
    "ua-qx_watchdog": "spec.watchdog",
    f"ua-{SEED_NAME}": "spec.cloudInit",
    f"ua-{ANSWERS_NAME}": "spec.sysprep",
}


@dataclass(frozen=True)
class PendingChange:
    """A change of spec that waits: `path` and values as in spec, as text ("" stands for absent). `why`: what
    keeps it from coming before, as part of a sentence; "" where the field itself tells.
    """

    path: str
    running: str
    wanted: str
    why: str = ""

    @property
    def device(self) -> str:
        """The name of the disk or NIC that comes or goes as a whole, "" for any other change."""
        kind, _, rest = self.path.partition("[")
        return rest.removesuffix("]") if kind in _PLUGGED and rest.endswith("]") else ""


def pending_changes(wanted: DomainSpec, live: DomainView) -> tuple[PendingChange, ...]:
    """What the next start will change, by path; empty when the guest runs as spec says."""
    found: dict[str, PendingChange] = {}
    for difference in differences(live, view(render_domain(wanted))):
        path = _spec_path(difference, wanted, live)
        if path is not None and path not in found:
            found[path] = _change(path, difference, wanted, live)
    if wanted.dedicated != bool(live.own_cpus):
        words = [str(told).lower() for told in (bool(live.own_cpus), wanted.dedicated)]
        found[_DEDICATED] = PendingChange(_DEDICATED, *words)
    found |= {change.path: change for change in _devices(wanted, live)}
    found = {path: change for path, change in found.items() if change.running != change.wanted}
    for path in _not_pending(frozenset(found), wanted, live):
        found.pop(path, None)
    return tuple(found[path] for path in sorted(found))


def listed(changes: Sequence[PendingChange]) -> list[PendingChange]:
    """Those that status has room for, by path: of more, what the guest has of its host comes first."""
    first = sorted(changes, key=lambda change: (not change.path.startswith(_OF_THE_HOST), change.path))
    return sorted(first[:_MAX_CHANGES], key=lambda change: change.path)


def _devices(wanted: DomainSpec, live: DomainView) -> Iterator[PendingChange]:
    """The classes of the host's devices: which of a class it has is nobody's wish."""
    has, wishes = live.device_classes, dict(wanted.device_classes)
    for name in {*has, *wishes}:
        if has.get(name) != wishes.get(name):
            yield PendingChange(f"spec.hostDevices[{name}]", has.get(name, ""), wishes.get(name, ""))


def _not_pending(found: frozenset[str], wanted: DomainSpec, live: DomainView) -> Iterator[str]:
    """What differs and yet waits for no start: it is done meanwhile, or follows from something else."""
    if _CORES in found and wanted.cpu.max_cores == wanted.cpu.cores:
        # nobody asked for room to grow: the most cores follow the cores
        yield _MAX_CORES
    if takes_cores(wanted, live):
        yield _CORES
    if more_memory(wanted, live) is not None:
        yield _SIZE
    most = max(wanted.max_memory_bytes, wanted.memory_bytes)
    follows = _SIZE in found and most == wanted.memory_bytes
    if follows or abs(live.memory.base + live.memory.room - most) < BLOCK_BYTES:
        yield _MAX_SIZE
    if not _boots_otherwise(wanted, live):
        yield _BOOT_ORDER
    for name in leaving(wanted, live):
        # the guest is asked to let it go now, and again until it does
        yield f"spec.{'nics' if 'mac' in live.devices[f'ua-{name}'] else 'disks'}[{name}]"


def _boots_otherwise(wanted: DomainSpec, live: DomainView) -> bool:
    """Whether the devices that both have come in another order; one that came later has none of its own."""
    orders = wanted.boot_orders
    running = {alias: int(device["boot"]) for alias, device in live.devices.items() if "boot" in device}
    if wanted.boot_order_chosen and set(orders) - set(running):
        return True
    both = set(orders) & set(running)
    return sorted(both, key=lambda alias: orders[alias]) != sorted(both, key=lambda alias: running[alias])


def _change(path: str, difference: Difference, wanted: DomainSpec, live: DomainView) -> PendingChange:
    if path.endswith("]"):
        # a device that came or went as a whole
        alias = difference.path.partition(".")[2].rpartition(".")[0]
        return PendingChange(path, *((ATTACHED, "") if alias in live.devices else ("", ATTACHED)))
    words = of_domain(path, wanted, live)
    return PendingChange(path, *(words or (_text(path, difference.left), _text(path, difference.right))))


def _text(path: str, value: str) -> str:
    if path in _UNIT_BYTES and value:
        return format_size(int(value) * _UNIT_BYTES[path])
    return of_device(path.rpartition("].")[2], value)


def _spec_path(difference: Difference, wanted: DomainSpec, live: DomainView) -> str | None:
    place, _, rest = difference.path.partition(".")
    if place == "fields":
        is_clock = rest == "clock" and {difference.left, difference.right} == _CLOCKS
        return "spec.os" if is_clock else _FIELD_PATHS.get(rest)
    alias, _, field = rest.rpartition(".")
    if alias in _CONSOLE:
        return _CONSOLE[alias]
    name = alias.removeprefix("ua-")
    if name in wanted.left_out:
        return None
    kind, fields = _device_fields(name, alias, wanted, live)
    if kind is None:
        return None
    if alias not in live.devices or name not in _names(wanted):
        # the device came or went as a whole: one line for it
        return f"spec.{kind}[{name}]"
    if field == "boot":
        return _BOOT_ORDER
    known = fields.get(field)
    return f"spec.{kind}[{name}].{known}" if known else None


def _device_fields(
    name: str, alias: str, wanted: DomainSpec, live: DomainView
) -> tuple[str | None, dict[str, str]]:
    running = live.devices.get(alias, {})
    if name in {nic.name for nic in wanted.nics} or "mac" in running:
        return "nics", _NIC_FIELDS
    if name in {cdrom.name for cdrom in wanted.cdroms} or running.get("device") == "cdrom":
        return "cdroms", _CDROM_FIELDS
    if name in {disk.name for disk in wanted.disks} or running.get("device") == "disk":
        return "disks", _DISK_FIELDS
    return None, {}


def _names(wanted: DomainSpec) -> set[str]:
    disks, cdroms, nics = wanted.disks, wanted.cdroms, wanted.nics
    return {disk.name for disk in disks} | {cdrom.name for cdrom in cdroms} | {nic.name for nic in nics}
