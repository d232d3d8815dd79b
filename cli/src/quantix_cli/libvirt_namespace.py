"""Runs virtlogd or libvirtd of our own in a private mount namespace: a libvirt already there is untouched.

`python -m quantix_cli.libvirt_namespace --root ROOT virtlogd|libvirtd` is what the supervisor starts, and
what tests start beside it with roots of their own. It writes the configuration, binds libvirt's well-known
directories to directories below the root, and becomes the daemon. It never writes outside the root (but for
empty mount points) and starts no guest. Standard library only: it must start fast.
"""

from __future__ import annotations

import argparse
import ctypes
import grp
import os
import resource
import shutil
import stat
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from quantix_api.layout import Layout
from quantix_cli import directories, libvirt_config

CLONE_NEWNS = 0x00020000
MS_NOSUID = 0x2
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x80000
KVM_DEVICE = Path("/dev/kvm")
APPARMOR_ENABLED = Path("/sys/module/apparmor/parameters/enabled")
APPARMOR_LOCAL = Path("/etc/apparmor.d/local/abstractions/libvirt-qemu")
QEMU_USER = "libvirt-qemu"
OPEN_FILES = 65536
FILES_OF_A_GUEST = 32768
PROCESSES_OF_GUESTS = 32768

DAEMONS = {"virtlogd": "/usr/sbin/virtlogd", "libvirtd": "/usr/sbin/libvirtd"}

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: Path, filesystem: str, flags: int, options: str = "") -> None:
    """mount(2). Raises OSError with both paths."""
    result = _libc.mount(
        source.encode(), str(target).encode(), filesystem.encode(), flags, options.encode() or None
    )
    _check(result, f"mount {source} on {target}")


def binds(layout: Layout) -> dict[Path, Path]:
    """Well-known directory → ours, for everything that libvirtd and virtlogd keep."""
    return {
        Path("/etc/libvirt"): layout.etc / "libvirt",
        Path("/var/lib/libvirt"): layout.data / "libvirt",
        Path("/run/libvirt"): layout.run / "libvirt",
        Path("/var/log/libvirt"): layout.log / "libvirt",
        Path("/var/cache/libvirt"): layout.cache / "libvirt",
        # swtpm's own authority for the certificates of TPMs, and its logs
        Path("/var/lib/swtpm-localca"): _tpm_authority(layout),
        Path("/var/log/swtpm"): layout.log / "libvirt/swtpm",
    }


def _tpm_authority(layout: Layout) -> Path:
    return layout.data / "libvirt/swtpm-localca"


def kept_closed(layout: Layout) -> list[Path]:
    """What libvirtd (9.0) would make 0755, and keeps as it finds it: made first, others are kept out."""
    state = layout.run / "libvirt"
    return [
        layout.data / "libvirt/qemu",
        layout.cache / "libvirt/qemu",
        *(state / f"qemu/{name}" for name in ("slirp", "passt")),
        *(state / name for name in ("network", "hostdevmgr", "storage")),
    ]


def _write_if_changed(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(text)
        partial.chmod(0o640)
        partial.rename(path)


def _host_uuid(path: Path) -> str:
    if not path.exists():
        _write_if_changed(path, f"{uuid.uuid4()}\n")
    return path.read_text().strip()


def has_apparmor() -> bool:
    """Whether the kernel confines by AppArmor and libvirt's profiles are installed."""
    enabled = APPARMOR_ENABLED.exists() and APPARMOR_ENABLED.read_text().strip() == "Y"
    return enabled and APPARMOR_LOCAL.parent.is_dir()


def _raise_limit(kind: int, wanted: int) -> int:
    """Set both limits to `wanted`, or to the hard limit where more is forbidden; returns what it became."""
    hard = resource.getrlimit(kind)[1]
    if hard == resource.RLIM_INFINITY or hard >= wanted:
        resource.setrlimit(kind, (wanted, hard))
        return wanted
    try:
        resource.setrlimit(kind, (wanted, wanted))
    except (ValueError, PermissionError):
        # in a container without CAP_SYS_RESOURCE, or above fs.nr_open
        resource.setrlimit(kind, (hard, hard))
        return hard
    return wanted


def prepare(layout: Layout) -> None:
    """Make the directories and write the configuration. Safe to call again; changes only what differs."""
    # the packages make the last one and libvirtd does not; virtlogd needs it
    ours = (*binds(layout).values(), *kept_closed(layout), layout.log / "libvirt/qemu", layout.migration_pki)
    directories.ensure(directories.with_parents(layout, *ours))
    # libvirtd does not start without it, and QEMU's user reads there
    shutil.chown(layout.migration_pki, group=QEMU_USER)
    shutil.chown(_tpm_authority(layout), QEMU_USER, QEMU_USER)
    configuration = layout.etc / "libvirt"
    facts = libvirt_config.HostFacts(
        host_uuid=_host_uuid(configuration / "host-uuid"),
        apparmor=has_apparmor(),
        migration_pki=str(layout.migration_pki),
        # libvirtd cannot give a guest more than it may have itself, and adds one (virProcessSetMaxFiles)
        max_files=min(FILES_OF_A_GUEST, _raise_limit(resource.RLIMIT_NOFILE, OPEN_FILES) - 1),
        max_processes=_raise_limit(resource.RLIMIT_NPROC, PROCESSES_OF_GUESTS),
    )
    _write_if_changed(configuration / "libvirtd.conf", libvirt_config.render_libvirtd_conf(facts))
    _write_if_changed(configuration / "qemu.conf", libvirt_config.render_qemu_conf(facts))
    _write_if_changed(configuration / "virtlogd.conf", libvirt_config.render_virtlogd_conf())
    paths = (str(layout.run), str(layout.data), str(layout.log))
    _write_if_changed(configuration / "apparmor", libvirt_config.render_apparmor_abstraction(*paths))


def _give_kvm_to_qemu(scratch: Path) -> None:
    """Put a node in front of /dev/kvm that QEMU's user can open.

    libvirtd, as root, finds KVM usable while its QEMU, as libvirt-qemu, does not; libvirt then throws away
    what it knows about QEMU at every call and probes it again (virQEMUCapsIsValid, libvirt 9.0).
    """
    if not KVM_DEVICE.exists():
        return
    scratch.mkdir(mode=0o750, exist_ok=True)
    # a file system of its own: /run is usually mounted "nodev"
    mount("quantix-dev", scratch, "tmpfs", MS_NOSUID | MS_NOEXEC, "size=64k,mode=0755")
    node = scratch / "kvm"
    os.mknod(node, stat.S_IFCHR | 0o660, KVM_DEVICE.stat().st_rdev)
    os.chown(node, 0, grp.getgrnam(QEMU_USER).gr_gid)
    node.chmod(0o660)
    mount(str(node), KVM_DEVICE, "", MS_BIND)


def enter(layout: Layout, openvswitch_run: Path | None) -> None:
    """Give this process a mount namespace in which libvirt's directories are ours.

    Later mounts of the machine still arrive (a pool's file system, for instance); ours never leave.
    Raises OSError when it is not root.
    """
    _check(_libc.unshare(CLONE_NEWNS), "unshare")
    mount("none", Path("/"), "", MS_REC | MS_SLAVE)
    _give_kvm_to_qemu(layout.run / "libvirt-dev")
    places = binds(layout)
    if openvswitch_run is not None:
        places[Path("/run/openvswitch")] = openvswitch_run
    for well_known, ours in places.items():
        well_known.mkdir(parents=True, exist_ok=True)
        ours.mkdir(parents=True, exist_ok=True)
        mount(str(ours), well_known, "", MS_BIND)
    if has_apparmor() and APPARMOR_LOCAL.exists():
        mount(str(layout.etc / "libvirt/apparmor"), APPARMOR_LOCAL, "", MS_BIND)


def daemon_argv(name: str) -> list[str]:
    """The command line of a daemon in the foreground, with a pid file that nobody else uses."""
    configuration = f"/etc/libvirt/{name}.conf"
    return [DAEMONS[name], "--config", configuration, "--pid-file", f"/run/libvirt/{name}.pid"]


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="libvirt_namespace", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("/"), help="the root of this installation")
    parser.add_argument(
        "--openvswitch-run",
        type=Path,
        help="run directory of the Open vSwitch that guests are plugged into, when it is not the machine's",
    )
    parser.add_argument("daemon", choices=[*DAEMONS, "run"], help="what to become; run: a command")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="with run: the command and its arguments")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Never returns: becomes the daemon, or ends with one sentence on stderr."""
    arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
    layout = Layout(arguments.root)
    try:
        prepare(layout)
        enter(layout, arguments.openvswitch_run)
        command = arguments.command if arguments.daemon == "run" else daemon_argv(arguments.daemon)
        os.execvp(command[0], command)
    except (OSError, LookupError) as error:
        sys.exit(f"libvirt could not be started in a namespace of its own: {error}")


if __name__ == "__main__":
    main()
