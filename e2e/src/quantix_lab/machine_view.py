"""What a test sees of a whole machine and what it may ask of it: objects, guests, ports, files, services.

Used by the end-to-end tests beside `Machine`. It reads the machine from outside (API, libvirt, OVN, Open
vSwitch, processes), never from what a component believes. Its waits are bounded and say what was seen last.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from quantix_api.conditions import condition_of
from quantix_api.resources import CONFIG_MAPS, EVENTS, OPERATOR_USER, QUANTIX_RESOURCES, VIRTUAL_MACHINES
from quantix_cli.supervision import leftovers
from quantix_lab.checkout import CHECKOUT
from quantix_lab.machine import Machine
from quantix_lab.waiting import wait_for

Manifest = dict[str, Any]

EXAMPLE = CHECKOUT / "examples/first-vm.yaml"
DATA_EXAMPLE = CHECKOUT / "examples/data-disk.yaml"
SHARED = "quantix-shared"
_KINDS = {kind.kind.lower(): kind for kind in (*QUANTIX_RESOURCES, CONFIG_MAPS)}
_RESOURCES = {"vm": VIRTUAL_MACHINES} | _KINDS
_LOOK_S = 0.1
# of the northbound database, where rows belong to objects
_TABLES = (
    *("Logical_Switch_Port", "Logical_Switch", "DHCP_Options", "Port_Group"),
    *("DNS", "ACL", "QoS", "NAT"),
)


class MachineView:
    """Looks at one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.layout = machine.layout

    # the API

    def find(self, kind: str, name: str, namespace: str = "default") -> Manifest | None:
        """An object, None when it does not exist."""
        try:
            return self.machine.api.get(_RESOURCES[kind.lower()].path(namespace, name))
        except (OSError, http.client.HTTPException) as error:
            raise AssertionError(f"the API does not answer for {kind} {name}: {error!r}") from error

    def get(self, kind: str, name: str, namespace: str = "default") -> Manifest:
        """An object that has to exist."""
        found = self.find(kind, name, namespace)
        assert found is not None, f"there is no {kind} {name} in {namespace}"
        return found

    def apply(self, *manifests: Manifest | str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`kubectl apply` of manifests, as text or as objects."""
        texts = [text if isinstance(text, str) else json.dumps(text) for text in manifests]
        return self.machine.kubectl("apply", "-f", "-", stdin="\n---\n".join(texts), check=check)

    def patch(self, kind: str, name: str, patch: Manifest, namespace: str = "default") -> None:
        """A merge patch, as a user makes it."""
        self.machine.api.patch(_RESOURCES[kind.lower()].path(namespace, name), patch)

    def patch_whole(self, kind: str, name: str, spec: Manifest) -> None:
        """Make the spec of an object exactly this one."""
        steps = [{"op": "replace", "path": "/spec", "value": spec}]
        self.machine.api.patch(_RESOURCES[kind.lower()].path("default", name), steps)

    def wait_ready(
        self,
        name: str,
        *,
        kind: str = "virtualmachine",
        reason: str = "",
        namespace: str = "default",
        timeout_s: float = 60.0,
    ) -> Manifest:
        """The object once Ready is True about its present generation (and has `reason`)."""

        def look() -> tuple[Manifest | None, object]:
            found = self.find(kind, name, namespace)
            if found is None:
                return None, "no such object"
            ready = condition_of(found)
            current = ready.get("observedGeneration") == found["metadata"]["generation"]
            fits = ready.get("status") == "True" and (not reason or ready.get("reason") == reason)
            return (found if current and fits else None), ready

        return wait_for(f"{kind} {name} to be Ready {reason}", look, timeout_s, _LOOK_S)

    def wait_reason(
        self,
        kind: str,
        name: str,
        reason: str,
        *,
        type: str = "Ready",
        namespace: str = "default",
        timeout_s: float = 30.0,
    ) -> dict[str, Any]:
        """The condition `type` of an object once it is not True for `reason`."""

        def look() -> tuple[dict[str, Any] | None, object]:
            found = self.find(kind, name, namespace)
            seen = condition_of(found, type) if found else {}
            fits = seen.get("reason") == reason and seen.get("status") != "True"
            return (seen if fits else None), (found or {}).get("status", "no such object")

        return wait_for(f"{type} of {kind} {name} to say {reason}", look, timeout_s, _LOOK_S)

    def wait_gone(self, kind: str, name: str, namespace: str = "default", *, timeout_s: float = 60.0) -> None:
        """Until an object no longer exists."""

        def look() -> tuple[bool, object]:
            found = self.find(kind, name, namespace)
            return found is None, condition_of(found) if found else ""

        wait_for(f"{kind} {name} to be gone", look, timeout_s, _LOOK_S)

    def events(self, name: str, namespace: str = "default") -> list[str]:
        """Reasons of the events about an object, oldest first."""
        listed = self.machine.api.get(EVENTS.path(namespace)) or {"items": ()}
        items = sorted(listed["items"], key=lambda item: item.get("eventTime") or "")
        return [item["reason"] for item in items if item["regarding"]["name"] == name]

    def writes(self, kind: str, name: str, *, after: int = 0) -> list[str]:
        """Who wrote the object or its status since line `after` of the audit log, and did not fail."""
        found = []
        for entry in self.audit()[after:]:
            what = entry.get("objectRef") or {}
            if (what.get("resource"), what.get("name")) != (kind, name):
                continue
            if entry["verb"] in ("create", "update", "patch") and entry["responseStatus"]["code"] < 300:
                found.append(entry["requestURI"].partition("fieldManager=")[2].partition("&")[0])
        return found

    def audit(self) -> list[Manifest]:
        """The lines of the audit log."""
        lines = (self.layout.log / "audit.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    # guests

    def domains(self) -> dict[str, str]:
        """Name → state of the domains of the machine's own libvirt."""
        uri = f"qemu+unix:///system?socket={self.layout.libvirt_socket}"
        listed = _run("virsh", "-c", uri, "list", "--all").splitlines()[2:]
        rows = [line.split(maxsplit=2) for line in listed if line.strip()]
        return {name: state for _, name, state in rows}

    def virsh(self, *arguments: str) -> str:
        """A command of virsh on the machine's own libvirt."""
        return _run("virsh", "-c", f"qemu+unix:///system?socket={self.layout.libvirt_socket}", *arguments)

    def qemus(self, uid: str = "") -> list[int]:
        """Processes that run guests of this machine, or the guest with this UID."""
        mark = f"{self.layout.run}/vm/{uid}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].rpartition(b"/")[2].startswith(b"qemu-system-") and any(mark in w for w in words):
                found.append(int(process.name))
        return found

    def qemu(self, vm: Manifest) -> int:
        """The one process of a VM. Raises AssertionError when there is none, or more than one."""
        pids = self.qemus(vm["metadata"]["uid"])
        assert len(pids) == 1, f"{vm['metadata']['name']} has {len(pids)} QEMU processes: {pids}"
        return pids[0]

    def answer(self, address: str, port: int = 80) -> str:
        """What the guest's port answers to this machine, "" when nothing.

        Only HTTP is asked first: the service on port 22 speaks by itself and closes, and what it has not
        read by then would reset the connection.
        """
        asked = b"GET / HTTP/1.0\r\n\r\n" if port == 80 else b""
        try:
            with self.machine.connect(address, port, 3) as door:
                door.sendall(asked)
                return b"".join(iter(lambda: door.recv(4096), b"")).decode(errors="replace")
        except OSError:
            return ""

    def wait_answer(self, address: str, text: str = "HTTP/1.1", *, timeout_s: float = 60.0) -> str:
        """What port 80 of the guest answers, as soon as it holds `text`."""

        def look() -> tuple[str, object]:
            answer = self.answer(address)
            return (answer if text in answer else ""), answer or "no answer"

        return wait_for(f"{address} to answer on port 80 with {text!r}", look, timeout_s)

    def printed(self, vm: Manifest) -> str:
        """What a guest printed on its serial port since hostd keeps its log."""
        log = self.layout.vm_log(vm["metadata"]["uid"]) / "console.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def registers(self, vm: Manifest) -> str:
        """Where the CPUs of a guest are, and what interrupts them, in QEMU's words."""
        domain = f"qx-{vm['metadata']['uid']}"
        asked = ("info registers -a", "info lapic", "info pic")
        return "\n".join(self.virsh("qemu-monitor-command", domain, "--hmp", words) for words in asked)

    # network and files

    def vsctl(self, *arguments: str) -> str:
        """A command of ovs-vsctl on the machine's Open vSwitch."""
        return _run(
            "ovs-vsctl", "--timeout=10", f"--db=unix:{self.layout.openvswitch_run}/db.sock", *arguments
        )

    def taps(self) -> list[str]:
        """Logical ports that guests' interfaces in Open vSwitch carry."""
        rows = json.loads(self.vsctl("--format=json", "--columns=name,external_ids", "list", "Interface"))[
            "data"
        ]
        owned = {name: dict(ids[1]) for name, ids in rows}
        return [ids["iface-id"] for name, ids in owned.items() if "iface-id" in ids and name != "qxh0"]

    def nbctl(self, *arguments: str) -> str:
        """A command of ovn-nbctl on the machine's northbound database."""
        return _run("ovn-nbctl", "--timeout=20", f"--db=unix:{self.layout.ovn_nb_socket}", *arguments)

    def northbound_rows(self, owner_uid: str) -> list[str]:
        """Rows of the northbound database that belong to an object, as TABLE UUID."""
        found = []
        for table in _TABLES:
            matches = f'external_ids:"quantix.io/owner"="{owner_uid}"'
            rows = self.nbctl("--bare", "--columns=_uuid", "find", table, matches)
            found += [f"{table} {row}" for row in rows.split()]
        return found

    def pool_files(self) -> set[str]:
        """Everything in the pool `local`, relative to it."""
        pool = self.layout.local_pool
        return {str(path.relative_to(pool)) for path in pool.rglob("*") if not path.is_dir()}

    # services

    def service(self, name: str) -> int:
        """The main process of a service, 0 while it has none."""
        found = [pid for pid, service in leftovers.find(self.layout.root).items() if service == name]
        return min(found, default=0)

    def remove_vm_by_force(self, name: str) -> None:
        """Take a VM out of the API behind everybody's back: delete it and strip its finalizers.

        Operator and hostd sleep meanwhile, and hostd is another afterwards: it has never seen the deletion.
        Returns once the host tells of the guest.
        """
        uid = self.get("vm", name)["metadata"]["uid"]
        operator = self.service("operator")
        for pid in (operator, self.service("hostd")):
            os.kill(pid, signal.SIGSTOP)
        try:
            self.machine.kubectl("delete", "vm", name, "--wait=false")
            # a policy lets nobody else take it off
            strip = ["-p", json.dumps({"metadata": {"finalizers": None}}), f"--as={OPERATOR_USER}"]
            self.machine.kubectl("patch", "vm", name, "--type=merge", *strip)
            self.wait_gone("virtualmachine", name, timeout_s=10)
            self.kill9("hostd")
        finally:
            os.kill(operator, signal.SIGCONT)

        def told() -> tuple[bool, object]:
            known = condition_of(self.get("host", self.machine.name), "GuestsKnown")
            return known.get("reason") == "OrphanGuest" and uid in known["message"], known

        wait_for(f"the host to tell of the guest of {name}", told, 60)

    def kill9(self, name: str) -> None:
        """kill -9 a service, and wait until the supervisor has started another."""
        before = self.service(name)
        assert before, f"{name} does not run"
        os.kill(before, signal.SIGKILL)

        def look() -> tuple[bool, object]:
            now = self.service(name)
            return now not in (0, before), f"pid {now}"

        wait_for(f"another {name} than pid {before}", look, 30)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return done.stdout
