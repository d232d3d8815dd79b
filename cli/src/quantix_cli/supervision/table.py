"""The table of services: everything that runs on a machine with Quantix, and how.

Used by `qx up`, `qx down` and the lab. Pure: from an `Installation` to `Service`s. Command lines of OVN and
Open vSwitch: ovsdb-server(1), ovn-northd(8), ovn-controller(8), ovs-vswitchd(8) of OVN 23.03 and OVS 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quantix_api.layout import Layout
from quantix_cli.directories import Directory, with_parents
from quantix_cli.place import Place, in_url
from quantix_cli.supervision.service import Service

QUIET = ("-vconsole:info", "-vfile:off", "-vsyslog:off")
CONTROL_PLANE = "controlplane"
METRICS_PORT = 9442
HOSTD_PORT = 9443
# ten times what either takes with few VMs: what leaks is slowed down before it costs guests their memory
_DAEMON_MEMORY_BYTES = 1024**3
LIBVIRTD = "libvirtd"
HOSTD = "hostd"
OPERATOR = "operator"
GUESTS = "guests"
CONTROL_PLANE_PROGRAM = "quantix-controlplane"
HOSTD_PROGRAM = "quantix-hostd"
OPERATOR_PROGRAM = "quantix-operator"


@dataclass(frozen=True)
class Installation:
    """What the table depends on.

    `controlplane` is the built binary, or None with a cluster of the user's own; `machine_openvswitch` is the
    run directory of an Open vSwitch that the machine already runs, or None; `code` identifies the
    installed Python code, so that a new version restarts what runs it. On a member of another machine's
    cluster only what makes it a host runs.
    """

    layout: Layout
    host_name: str
    python: Path
    code: str
    controlplane: Path | None
    api_port: int = 6443
    operator_kubeconfig: Path | None = None
    machine_openvswitch: Path | None = None
    place: Place | None = None

    @property
    def is_member(self) -> bool:
        """Whether this machine is in the cluster of another one."""
        return self.place is not None and self.place.is_member

    @property
    def southbound(self) -> str:
        """The southbound database, as ovn-controller reaches it."""
        if self.place is not None and self.place.is_member:
            return self.place.southbound
        return f"unix:{self.layout.ovn_sb_socket}"

    @property
    def openvswitch_run(self) -> Path:
        """Where the Open vSwitch that guests are plugged into keeps its sockets."""
        return self.machine_openvswitch or self.layout.openvswitch_run

    def directories(self, *paths: Path) -> tuple[Directory, ...]:
        """`paths`, and the directories of the installation above them."""
        return with_parents(self.layout, *paths)

    @property
    def openvswitch_database(self) -> str:
        return f"unix:{self.openvswitch_run}/db.sock"


def services(installation: Installation) -> tuple[Service, ...]:
    """Every service of this machine, in the order in which they start."""
    own_switch = () if installation.machine_openvswitch else _open_vswitch(installation)
    control: tuple[Service, ...] = ()
    central: tuple[Service, ...] = ()
    operator: tuple[Service, ...] = ()
    if not installation.is_member:
        control = () if installation.controlplane is None else (_control_plane(installation),)
        central, operator = _ovn_central(installation), (_operator(installation),)
    return (
        *control,
        *central,
        *own_switch,
        _ovn_controller(installation, own_central=bool(central)),
        *_libvirt(installation),
        *operator,
        _hostd(installation),
    )


def _control_plane(installation: Installation) -> Service:
    layout, run = installation.layout, installation.layout.run / CONTROL_PLANE
    argv = [str(installation.controlplane), "serve", "--data-dir", str(layout.control_plane_data)]
    argv += ["--config-dir", str(layout.etc), "--run-dir", str(run)]
    place = installation.place
    argv += ["--log-dir", str(layout.log), "--address", place.any_address if place else "127.0.0.1"]
    argv += ["--port", str(installation.api_port), *(("--san", place.address) if place else ())]
    return Service(
        name=CONTROL_PLANE,
        description="Quantix control plane (API server and etcd)",
        argv=tuple(argv),
        directories=installation.directories(layout.control_plane_data, layout.etc, run, layout.log),
        stop_timeout_s=30,
        memory_protected=True,
    )


def _ovn_environment(installation: Installation) -> dict[str, str]:
    run = installation.layout.run / "ovn"
    return {
        "OVN_RUNDIR": str(run),
        "OVS_RUNDIR": str(installation.openvswitch_run),
        "OVN_LOGDIR": str(installation.layout.log),
        "OVS_LOGDIR": str(installation.layout.log),
    }


def _ovn_central(installation: Installation) -> tuple[Service, ...]:
    layout = installation.layout
    run, data = layout.run / "ovn", layout.data / "ovn"
    environment = _ovn_environment(installation)

    def database(name: str, title: str, *options: str) -> Service:
        stem = f"{run}/ovn{name}_db"
        argv = ["/usr/sbin/ovsdb-server", f"--remote=punix:{stem}.sock", *options, f"--unixctl={stem}.ctl"]
        return Service(
            name=f"ovn-{name}",
            description=f"Quantix network: OVN {title} database",
            argv=(*argv, f"--pidfile={stem}.pid", *QUIET, f"{data}/ovn{name}_db.db"),
            environment=environment,
            directories=installation.directories(run, data),
            memory_protected=True,
        )

    northd = Service(
        name="ovn-northd",
        description="Quantix network: OVN northd",
        argv=(
            "/usr/bin/ovn-northd",
            f"--ovnnb-db=unix:{layout.ovn_nb_socket}",
            f"--ovnsb-db=unix:{layout.ovn_sb_socket}",
            f"--unixctl={run}/ovn-northd.ctl",
            f"--pidfile={run}/ovn-northd.pid",
            *QUIET,
        ),
        environment=environment,
        after=("ovn-nb", "ovn-sb"),
        directories=installation.directories(run),
    )
    # how other machines reach it stands in itself: ovn-sbctl(8), set-connection and set-ssl
    for_others = ["--remote=db:OVN_Southbound,SB_Global,connections"]
    columns = {"private-key": "private_key", "certificate": "certificate", "ca-cert": "ca_cert"}
    for_others += [f"--{option}=db:OVN_Southbound,SSL,{column}" for option, column in columns.items()]
    return database("nb", "northbound"), database("sb", "southbound", *for_others), northd


def _open_vswitch(installation: Installation) -> tuple[Service, ...]:
    layout = installation.layout
    run, data = layout.openvswitch_run, layout.data / "openvswitch"
    environment = _ovn_environment(installation)
    database = Service(
        name="ovs-db",
        description="Quantix network: Open vSwitch database",
        argv=(
            "/usr/sbin/ovsdb-server",
            f"--remote=punix:{run}/db.sock",
            f"--unixctl={run}/ovsdb-server.ctl",
            f"--pidfile={run}/ovsdb-server.pid",
            *QUIET,
            f"{data}/conf.db",
        ),
        environment=environment,
        directories=installation.directories(run, data),
        memory_protected=True,
    )
    switch = Service(
        name="ovs-vswitchd",
        description="Quantix network: Open vSwitch",
        argv=(
            "/usr/sbin/ovs-vswitchd",
            f"unix:{run}/db.sock",
            f"--unixctl={run}/ovs-vswitchd.ctl",
            f"--pidfile={run}/ovs-vswitchd.pid",
            *QUIET,
        ),
        environment=environment,
        after=("ovs-db",),
        directories=installation.directories(run),
        memory_protected=True,
    )
    return database, switch


def _ovn_controller(installation: Installation, *, own_central: bool) -> Service:
    run = installation.layout.run / "ovn"
    before = ("ovn-sb",) if own_central else ()
    if installation.machine_openvswitch is None:
        before = (*before, "ovs-vswitchd")
    return Service(
        name="ovn-controller",
        description="Quantix network: OVN controller of this host",
        argv=(
            "/usr/bin/ovn-controller",
            installation.openvswitch_database,
            f"--pidfile={run}/ovn-controller.pid",
            *QUIET,
        ),
        environment=_ovn_environment(installation),
        after=before,
        directories=installation.directories(run),
        memory_protected=True,
    )


def _libvirt(installation: Installation) -> tuple[Service, ...]:
    layout = installation.layout
    argv = [str(installation.python), "-m", "quantix_cli.libvirt_namespace", "--root", str(layout.root)]
    if installation.machine_openvswitch is None:
        argv += ["--openvswitch-run", str(layout.openvswitch_run)]
    log_keeper = Service(
        name="virtlogd",
        description="Quantix: keeps the logs of guests' consoles",
        argv=(*argv, "virtlogd"),
        leaves_children=True,
        memory_protected=True,
    )
    daemon = Service(
        name=LIBVIRTD,
        description="Quantix: libvirt of its own",
        argv=(*argv, "libvirtd"),
        after=("virtlogd",),
        leaves_children=True,
        # QEMU does not stay so: hostd ranks each by its VM
        memory_protected=True,
        # QEMU and swtpm, as users of their own, pass through directories that libvirtd makes
        umask=0o022,
    )
    return log_keeper, daemon


def _program(installation: Installation, name: str) -> str:
    return str(installation.python.parent / name)


def _operator(installation: Installation) -> Service:
    layout = installation.layout
    kubeconfig = installation.operator_kubeconfig or layout.operator_kubeconfig
    argv = [_program(installation, OPERATOR_PROGRAM), "--root", str(layout.root)]
    argv += ["--kubeconfig", str(kubeconfig), "--ovn-nb", f"unix:{layout.ovn_nb_socket}"]
    argv += ["--ovn-sb", f"unix:{layout.ovn_sb_socket}", "--metrics", f"127.0.0.1:{METRICS_PORT}"]
    return Service(
        name=OPERATOR,
        description="Quantix operator",
        argv=tuple(argv),
        environment={"QUANTIX_CODE": installation.code, "PYTHONUNBUFFERED": "1"},
        after=("ovn-nb",) if installation.controlplane is None else (CONTROL_PLANE, "ovn-nb"),
        memory_high_bytes=_DAEMON_MEMORY_BYTES,
    )


def _hostd(installation: Installation) -> Service:
    layout = installation.layout
    argv = [_program(installation, HOSTD_PROGRAM), "--root", str(layout.root)]
    argv += ["--name", installation.host_name, "--ovs-db", installation.openvswitch_database]
    argv += ["--ovn-sb", installation.southbound]
    if (place := installation.place) is None:
        argv += ["--listen", f"127.0.0.1:{HOSTD_PORT}"]
    else:
        argv += ["--listen", f"{in_url(place.address)}:{HOSTD_PORT}", "--ovn-certificate"]
    return Service(
        name=HOSTD,
        description=f"Quantix host daemon of {installation.host_name}",
        argv=tuple(argv),
        environment={"QUANTIX_CODE": installation.code, "PYTHONUNBUFFERED": "1"},
        after=(LIBVIRTD, "ovn-controller"),
        directories=installation.directories(layout.etc, layout.run, layout.data, layout.log),
        leaves_children=True,
        stop_timeout_s=30,
        memory_protected=True,
        memory_high_bytes=_DAEMON_MEMORY_BYTES,
    )
