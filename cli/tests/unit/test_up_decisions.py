"""What `qx up` decides: which settings can be, which subnets are free, what a new installation holds."""

import base64
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

import quantix_api
from quantix_api import resources
from quantix_api.errors import PermanentError, QuantixError
from quantix_cli.settings import read_settings
from quantix_cli.supervision.complaints import complaint
from quantix_cli.up import links
from quantix_cli.up.prepare import packages, python
from quantix_cli.up.run.runner import require_root
from quantix_cli.up.settings import CHECKOUT, judge_settings
from quantix_cli.up.start import credentials, defaults, manifests, subnets
from quantix_cli.up.start.network_databases import parse_map
from quantix_cli.whole_file import write_whole
from quantix_client.kubeconfig import Access, load, render


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Collecting aiohttp==3.12.0", True),
        ("Installing collected packages: pip", True),
        ("  Attempting uninstall: pip", False),
        ("    Found existing installation: pip 23.0.1", False),
        ("    Uninstalling pip-23.0.1:", False),
        ("      Successfully uninstalled pip-23.0.1", False),
    ],
)
def test_what_pip_takes_away_to_make_room_alarms_nobody(line: str, told: bool) -> None:
    assert python.is_worth_telling(line) is told


def test_nobody_but_root_gets_anywhere() -> None:
    require_root("make up", "installs packages and starts VMs", 0)
    with pytest.raises(PermanentError) as caught:
        require_root("make up", "installs packages and starts VMs", 1000)
    assert str(caught.value) == "make up needs root: it installs packages and starts VMs. Try: sudo make up."


@pytest.mark.parametrize(
    "environment", [{"QUANTIX_ROOT": "/" + "x" * 40}, {"QUANTIX_ROOT": "here"}, {"QUANTIX_API_PORT": "0"}]
)
def test_settings_that_cannot_be_are_refused(environment: dict[str, str]) -> None:
    with pytest.raises(PermanentError):
        judge_settings(read_settings(environment))


def test_the_first_subnet_that_nothing_uses_is_taken() -> None:
    candidates = ("10.77.0.0/24", "172.27.77.0/24")
    assert subnets.choose_subnet(candidates, []) == "10.77.0.0/24"
    assert subnets.choose_subnet(candidates, [IPv4Network("10.0.0.0/8")]) == "172.27.77.0/24"
    with pytest.raises(PermanentError, match=r"10\.77\.0\.0/24, 172\.27\.77\.0/24 overlap"):
        subnets.choose_subnet(candidates, [IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12")])


def test_routes_and_resolvers_count_as_used_but_not_the_default_route() -> None:
    routes = (
        '[{"dst":"default"},{"dst":"10.0.0.0/8"},{"type":"local","dst":"127.0.0.0/8"},{"dst":"192.0.2.7"}]'
    )
    assert subnets.read_routes(routes) == [IPv4Network("10.0.0.0/8"), IPv4Network("192.0.2.7/32")]
    names = "search x\nnameserver 10.77.0.2\nnameserver ::1\nnameserver fe80::1%eth0\n"
    assert subnets.read_resolvers(names) == [IPv4Network("10.77.0.2/32")]


def test_the_subnets_of_the_lists_do_not_overlap_each_other() -> None:
    every = [IPv4Network(cidr) for cidr in (*subnets.GUEST_SUBNETS, *subnets.OUTSIDE_SUBNETS)]
    assert not [(a, b) for a in every for b in every if a is not b and a.overlaps(b)]


def every_default() -> list[defaults.Default]:
    networks = [defaults.guest_network("10.77.0.0/24"), defaults.outside_network("10.78.0.0/24")]
    return [*defaults.basics(Path("/var/lib/quantix/pools/local")), *networks, defaults.router()]


@pytest.mark.parametrize("default", every_default(), ids=lambda d: f"{d.resource.kind}-{d.name}")
def test_defaults_are_what_the_models_know(default: defaults.Default) -> None:
    model = getattr(quantix_api, default.resource.kind)
    named = {"apiVersion": default.resource.api_version, "kind": default.resource.kind, **default.manifest}
    parsed = quantix_api.to_manifest(model.model_validate(named))
    assert set(default.manifest["spec"]) <= set(parsed["spec"])


def test_the_example_holds_kinds_that_are_known() -> None:
    example = list(yaml.safe_load_all((CHECKOUT / "examples/first-vm.yaml").read_text()))
    assert [manifests.resource_of(item) for item in example] == [
        resources.SECURITY_GROUPS,
        resources.VIRTUAL_MACHINES,
    ]


def test_a_bootstrap_token_is_for_one_host_and_ten_minutes() -> None:
    now = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    secret = credentials.render_bootstrap_secret("box", "abcdef", "0123456789abcdef", now)
    data = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert secret["metadata"]["name"] == "bootstrap-token-abcdef"
    assert data["host"] == "box"
    assert data["expiration"] == "2026-11-24T01:10:00Z"
    assert data["auth-extra-groups"] == "system:bootstrappers:quantix"
    assert "usage-bootstrap-signing" not in data


def test_a_token_reaches_a_cluster_as_its_administrator_does_and_with_nothing_else_of_theirs(
    tmp_path: Path,
) -> None:
    admin, target = tmp_path / "admin", tmp_path / "token"
    own = Access("https://192.0.2.1:6443", "CA", "CERTIFICATE", "KEY", tls_server_name="api.example")
    admin.write_text(render(own, "admin"))
    target.write_text(credentials.token_kubeconfig(admin, "host-box", "abcdef.0123"))
    expected = Access("https://192.0.2.1:6443", "CA", token="abcdef.0123", tls_server_name="api.example")
    assert replace(load(target), watched=()) == expected


def test_credentials_are_readable_by_root_only(tmp_path: Path) -> None:
    write_whole(tmp_path / "sub/kubeconfig", "secret")
    assert (tmp_path / "sub/kubeconfig").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (["Err:1 http://mirror.example", "  Temporary failure resolving 'mirror.example'"], "MirrorSilent"),
        (["E: Packages need to be removed but remove is disabled."], "PackagesFailed"),
    ],
)
def test_apts_many_sentences_become_one(said: list[str], reason: str) -> None:
    error: QuantixError = packages.explain_failure(said)
    assert error.reason == reason
    assert error.hint


def test_a_lock_that_another_process_holds_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    packages.refuse_when_locked(lock)
    code = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX);"
        "print(1, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, lock], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            with pytest.raises(QuantixError, match=rf"another apt is running \(pid {holder.pid}, \S+\)"):
                packages.refuse_when_locked(lock)
        finally:
            holder.kill()


def test_a_map_of_open_vswitch_is_read() -> None:
    text = '{hostname=vm, ovn-remote="unix:/tmp/x", "quantix.io/host"="a-b", rundir="/var, {x}"}'
    assert parse_map(text) == {
        "hostname": "vm",
        "ovn-remote": "unix:/tmp/x",
        "quantix.io/host": "a-b",
        "rundir": "/var, {x}",
    }
    assert parse_map("{}") == {}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("Port 6443 is taken. Try: another.", "Port 6443 is taken. Try: another."),
        ('{"event": "hostd ends", "error": "denied"}', "denied"),
        ('{"event": "started"}', ""),
        ("{broken", ""),
    ],
)
def test_the_complaint_of_a_service_is_found_in_its_log(line: str, text: str) -> None:
    assert complaint(line) == text


def test_the_bootstrap_needs_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; import quantix_cli.up.bootstrap;"
        "files = [getattr(module, '__file__', None) or '' for module in sys.modules.values()];"
        "sys.exit(', '.join(file for file in files if 'site-packages' in file) or 0)"
    )
    sources = [str(CHECKOUT / "crds/src"), str(CHECKOUT / "cli/src")]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, *sources], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_links_of_the_machines_own_installation_go_where_its_user_looks(tmp_path: Path) -> None:
    given = {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}
    wanted = links.wanted(judge_settings(read_settings(given)), Path("/cache/controlplane"))
    assert wanted[links.BIN / "kubectl"] == Path("/cache/controlplane")
    assert wanted[links.BIN / "quantix-controlplane"] == Path("/cache/controlplane")
    assert wanted[tmp_path / ".kube/config"] == Path("/etc/quantix/admin.kubeconfig")
    kubectl = tmp_path / "bin/kubectl"
    kubectl.parent.mkdir()
    kubectl.touch(0o755)
    assert links.BIN / "kubectl" not in links.wanted(
        judge_settings(read_settings(given)), Path("/cache/controlplane")
    )


@pytest.mark.parametrize(
    ("looked_s", "fresh"),
    [(1e9 - 60, True), (1e9 - 86400, False), (1e9 + 60, False), (1e9 + 10 * 365 * 86400, False)],
)
def test_package_lists_from_the_future_are_fetched_anew(looked_s: float, fresh: bool) -> None:
    assert packages.is_fresh(looked_s, 1e9) is fresh
