"""The configuration of our own libvirtd: what must be in it whatever the machine is like."""

from pathlib import Path

from quantix_api.layout import Layout
from quantix_cli import libvirt_config, libvirt_namespace

PLAIN = libvirt_config.HostFacts("3f1cf1c1-0000-4000-8000-000000000001", apparmor=False, migration_pki="/p")
CONFINED = libvirt_config.HostFacts("3f1cf1c1-0000-4000-8000-000000000001", apparmor=True, migration_pki="/p")


def settings(text: str) -> dict[str, str]:
    return dict(line.split(" = ", 1) for line in text.splitlines())


def test_libvirtd_listens_on_a_unix_socket_for_root_only() -> None:
    found = settings(libvirt_config.render_libvirtd_conf(PLAIN))
    assert found["listen_tcp"] == found["listen_tls"] == "0"
    assert found["unix_sock_rw_perms"] == '"0700"'
    assert found["host_uuid"] == '"3f1cf1c1-0000-4000-8000-000000000001"'


def test_a_connection_may_have_more_requests_than_libvirts_five() -> None:
    found = settings(libvirt_config.render_libvirtd_conf(PLAIN))
    assert int(found["max_client_requests"]) >= 128
    assert int(found["max_workers"]) >= 128


def test_libvirt_never_takes_files_over() -> None:
    found = settings(libvirt_config.render_qemu_conf(PLAIN))
    assert found["dynamic_ownership"] == found["remember_owner"] == "0"
    assert found["user"] == found["swtpm_user"] == '"libvirt-qemu"'
    assert found["seccomp_sandbox"] == "1"


def test_guests_must_be_confined_where_the_kernel_can() -> None:
    assert settings(libvirt_config.render_qemu_conf(CONFINED))["security_require_confined"] == "1"
    assert settings(libvirt_config.render_qemu_conf(PLAIN))["security_driver"] == '"none"'


def test_all_of_libvirts_directories_are_ours(tmp_path: Path) -> None:
    places = libvirt_namespace.binds(Layout(tmp_path))
    assert {str(place) for place in places} == {
        "/etc/libvirt",
        "/var/lib/libvirt",
        "/run/libvirt",
        "/var/log/libvirt",
        "/var/cache/libvirt",
        "/var/lib/swtpm-localca",
        "/var/log/swtpm",
    }
    assert all(ours.is_relative_to(tmp_path) for ours in places.values())


def test_preparing_twice_changes_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    libvirt_namespace.prepare(layout)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.conf")}
    libvirt_namespace.prepare(layout)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.conf")}
    assert len(before) == 3


def test_what_libvirt_would_leave_open_is_closed_before_it_starts(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    libvirt_namespace.prepare(layout)
    closed = {path: path.stat().st_mode & 0o777 for path in libvirt_namespace.kept_closed(layout)}
    assert closed == dict.fromkeys(closed, 0o750)
    # swtpm, which is not root, passes to its sockets and its logs
    for passage in (layout.run / "libvirt/qemu", layout.log / "libvirt/swtpm"):
        assert passage.stat().st_mode & 0o777 == 0o711
    assert (layout.etc / "libvirt/libvirtd.conf").stat().st_mode & 0o777 == 0o640
