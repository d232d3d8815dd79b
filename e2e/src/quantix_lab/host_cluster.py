"""A small real cluster for contract tests of hostd: control plane, definitions, operator, libvirt, one hostd.

Used by pytest fixtures of hostd. No switch and no guest network: `--ovn-sb` and `--ovn-nb` are left out, so
the machine's own network is not touched. Needs root. Everything that it started ends with the context.
"""

from __future__ import annotations

import base64
import json
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quantix_api.layout import Layout
from quantix_api.resources import CONFIG_MAPS, LEASES, NAMESPACES, QUANTIX_RESOURCES
from quantix_client.kubeconfig import load
from quantix_lab.api_as import ApiAs
from quantix_lab.api_installation import installed_plane
from quantix_lab.control_plane import LAVISH, ControlPlane
from quantix_lab.kubeconfig import write_kubeconfig
from quantix_lab.libvirt_host import LibvirtHost
from quantix_lab.waiting import wait_for

_STOP_TIMEOUT_S = 10.0
_BOOTSTRAP_GROUP = "system:bootstrappers:quantix"
_RESOURCES = {found.kind.lower(): found for found in (*QUANTIX_RESOURCES, CONFIG_MAPS, LEASES, NAMESPACES)}


@dataclass
class HostCluster:
    """A control plane with an operator, and one machine that may join it as `h1`."""

    control_plane: ControlPlane
    layout: Layout
    libvirt: LibvirtHost
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """The output of kubectl as administrator; ControlPlaneError with its words when it is refused."""
        return self.control_plane.kubectl(*arguments, stdin=stdin)

    def as_operator(self, *arguments: str, stdin: str = "") -> str:
        """The same as the operator."""
        kubeconfig = self.control_plane.operator_kubeconfig
        return self.control_plane.kubectl(*arguments, stdin=stdin, kubeconfig=kubeconfig)

    def get(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
        """An object of this kind in lower case; {} when there is none."""
        # not by kubectl: it takes 0.15 s of CPU, and whoever waits asks ten times a second
        with ApiAs(self.control_plane.admin_kubeconfig) as admin:
            answer = admin.call("GET", _RESOURCES[kind].path(namespace, name))
        assert answer.code in (200, 404), answer.message
        return answer.body if answer.code == 200 else {}

    def authority_pem(self) -> str:
        """Whom the servers of hosts are certified by, as everybody may read it."""
        return str(self.get("configmap", "quantix-ca", "quantix-shared")["data"]["ca.crt"])

    def as_administrator(self) -> ssl.SSLContext:
        """TLS to hostd: trusts the authority of hosts, and shows the administrator's certificate."""
        context = load(self.control_plane.admin_kubeconfig).ssl_context()
        assert context is not None
        context.load_verify_locations(cadata=self.authority_pem())
        return context

    def give_token(self, host: str, identifier: str = "abc123", secret: str = "0123456789abcdef") -> None:
        """Let exactly `host` join: what an administrator does for a new machine."""
        fields = {
            "token-id": identifier,
            "token-secret": secret,
            "usage-bootstrap-authentication": "true",
            "auth-extra-groups": _BOOTSTRAP_GROUP,
            "host": host,
        }
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"bootstrap-token-{identifier}", "namespace": "kube-system"},
            "type": "bootstrap.kubernetes.io/token",
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in fields.items()},
        }
        self.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(manifest))
        self.layout.etc.mkdir(parents=True, exist_ok=True)
        plane, token = self.control_plane, f"{identifier}.{secret}"
        write_kubeconfig(self.layout.bootstrap_kubeconfig, plane.server, ca_pem=plane.ca_pem, token=token)

    def start_operator(self, *flags: str) -> None:
        kubeconfig = str(self.control_plane.operator_kubeconfig)
        self._start("operator", "--kubeconfig", kubeconfig, "--metrics", "127.0.0.1:0", *flags)

    def start_hostd(self, name: str = "h1", *flags: str) -> None:
        database = f"unix:{self.layout.run}/no-switch.sock"
        self._start("hostd", "--name", name, "--ovs-db", database, "--listen", "127.0.0.1:0", *flags)

    def stop(self, process: str, number: signal.Signals = signal.SIGTERM) -> int:
        """End `operator` or `hostd`; its exit code."""
        running = self.processes.pop(process)
        running.send_signal(number)
        try:
            return running.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            raise

    def log(self, process: str) -> str:
        """What `operator` or `hostd` has said so far."""
        path = self._log_path(process)
        return path.read_text(errors="replace") if path.exists() else ""

    def eventually(self, check: Callable[[], Any], timeout_s: float = 60.0) -> Any:
        """The first truthy answer of `check`; AssertionError with hostd's last words when none comes."""
        return wait_for(
            "what the test asks for", lambda: (check(), f"hostd: {self.log('hostd')[-3000:]}"), timeout_s, 0.1
        )

    def _start(self, program: str, *flags: str) -> None:
        entrance = str(Path(sys.executable).with_name(f"quantix-{program}"))
        command = ["setpriv", "--pdeathsig", "KILL", entrance, "--root", str(self.layout.root)]
        with self._log_path(program).open("ab") as log:
            self.processes[program] = subprocess.Popen(
                [*command, "--log-format", "json", *flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _log_path(self, process: str) -> Path:
        return self.control_plane.root / f"{process}.log"


@contextmanager
def host_cluster(
    plane_flags: Sequence[str] = (),
    operator_flags: Sequence[str] = (),
    plane_environment: Mapping[str, str] = LAVISH,
) -> Iterator[HostCluster]:
    """A cluster without hosts yet: definitions, roles and policies are there and the operator runs."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qxhc")))
        control_plane = stack.enter_context(installed_plane(root, plane_flags, environment=plane_environment))
        libvirt = LibvirtHost()
        stack.callback(libvirt.close)
        libvirt.start()
        cluster = HostCluster(control_plane, libvirt.layout, libvirt)
        stack.callback(lambda: [cluster.stop(name) for name in list(cluster.processes)])
        cluster.start_operator(*operator_flags)
        yield cluster
