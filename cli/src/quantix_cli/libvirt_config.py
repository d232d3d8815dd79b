"""The configuration of the libvirtd and virtlogd that Quantix runs for itself.

Used by the namespace launcher, which writes these files below our own root. Pure: decides text from facts.
The numbers are those of design/hypervisor.md sections 1, 7, 11 and 12 (200 VMs a host).
"""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api.filter_tables import ARRIVAL_PORTS


@dataclass(frozen=True)
class HostFacts:
    """What the configuration depends on."""

    host_uuid: str
    apparmor: bool
    migration_pki: str
    max_files: int = 32768
    max_processes: int = 32768


def render_libvirtd_conf(facts: HostFacts) -> str:
    """`libvirtd.conf`: one private unix socket for root, and room for hostd's parallel calls.

    Settings as in libvirt 9.0, src/remote/libvirtd.conf.in. `host_uuid` is given because a machine without
    DMI would get a new one at each start.
    """
    return f"""\
host_uuid = "{facts.host_uuid}"
listen_tls = 0
listen_tcp = 0
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
unix_sock_ro_perms = "0700"
unix_sock_admin_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
max_clients = 256
max_queued_clients = 256
min_workers = 8
max_workers = 128
prio_workers = 8
max_client_requests = 128
keepalive_interval = 5
keepalive_count = 3
log_level = 3
log_outputs = "3:stderr"
audit_level = 0
"""


def render_qemu_conf(facts: HostFacts) -> str:
    """`qemu.conf`: guests run as libvirt-qemu, in the seccomp sandbox, and file ownership stays hostd's.

    With dynamic_ownership libvirt would take a shared base image away from the other guests that use it;
    without, it gives QEMU no right to the socket of a TPM, which only its own user may open (0600). Guests
    are sent by, and taken from, hosts of the cluster alone: QEMU looks at who made a certificate, not at
    whose it is, so hostd opens these ports to the host that sends one, and to no other.
    """
    driver = '"apparmor"' if facts.apparmor else '"none"'
    first_port, last_port = ARRIVAL_PORTS
    return f"""\
security_driver = {driver}
security_default_confined = {int(facts.apparmor)}
security_require_confined = {int(facts.apparmor)}
user = "libvirt-qemu"
group = "libvirt-qemu"
swtpm_user = "libvirt-qemu"
swtpm_group = "libvirt-qemu"
dynamic_ownership = 0
remember_owner = 0
seccomp_sandbox = 1
stdio_handler = "logd"
max_files = {facts.max_files}
max_processes = {facts.max_processes}
max_core = 0
migrate_tls_x509_cert_dir = "{facts.migration_pki}"
migrate_tls_x509_verify = 1
migration_port_min = {first_port}
migration_port_max = {last_port}
set_process_name = 1
auto_dump_path = "/var/lib/libvirt/qemu/dump"
auto_start_bypass_cache = 0
keepalive_interval = 5
keepalive_count = 3
"""


def render_virtlogd_conf() -> str:
    """`virtlogd.conf`: it keeps the console logs, two files a guest, 2 MiB each with 3 older ones."""
    return """\
log_level = 3
log_outputs = "3:stderr"
max_clients = 1024
admin_max_clients = 5
max_size = 2097152
max_backups = 3
"""


def render_apparmor_abstraction(run: str, data: str, log: str) -> str:
    """The lines that let a confined QEMU use what hostd made for it; bound over the local abstraction."""
    return f"""\
{run}/vm/** rwk,
{data}/vm/** rwk,
{data}/pools/** rwk,
{log}/vm/** rw,
"""
