"""What lies in a `dir` pool of a world of snapshots, and what guests write there, as tests see it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import VmHandle


def write(data: Path, pattern: int) -> None:
    """The first 64 KiB of a disk that nobody has open."""
    command = ["qemu-io", "-f", "qcow2", "-c", f"write -P {pattern} 0 64k", str(data)]
    subprocess.run(command, check=True, capture_output=True)


def holds(data: Path, pattern: int) -> bool:
    """Whether its first 64 KiB are that."""
    command = ["qemu-io", "-r", "-f", "qcow2", "-c", f"read -P {pattern} 0 64k", str(data)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.returncode == 0 and "verification failed" not in done.stdout


def kept_file(part: SnapshotsPart, key: str, disk: str = "root") -> Path:
    """The file of a disk in a snapshot."""
    return part.world.pool / "snapshots" / f"{part.uid(key)}-{disk}" / "data"


def left_of_snapshots(part: SnapshotsPart) -> list[str]:
    """Everything that is stored of any snapshot, and what this host remembers of one."""
    folders = (part.world.pool / "snapshots", part.world.layout.data / "snapshots")
    return sorted(path.name for folder in folders if folder.is_dir() for path in folder.iterdir())


def disk_file(vm: VmHandle, disk: str = "root") -> Path:
    """The file of a disk of the VM."""
    resolved = vm.world.api.objects[vm.uid]["status"]["resolved"]["disks"]
    uid = str(next(item["volumeUID"] for item in resolved if item["name"] == disk))
    return vm.world.pool / "volumes" / uid / "data"
