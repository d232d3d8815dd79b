"""What a libvirtd that was killed left of a copy to another host is taken out, and nothing else is."""

from __future__ import annotations

from typing import Any

from quantix_hostd.clients.libvirt_left_copies import remove_left_nodes

ALIASES = {"vda": "ua-root", "vdb": "ua-data"}


class Monitor:
    """Of a QEMU with these nodes, each with what uses it, and jobs by name."""

    def __init__(self, nodes: dict[str, str], jobs: dict[str, str] | None = None) -> None:
        self.nodes, self.jobs = nodes, jobs or {}
        self.asked: list[str] = []

    def __call__(self, command: dict[str, Any]) -> dict[str, Any]:
        name, given = command["execute"], command.get("arguments", {})
        self.asked.append(name)
        match name:
            case "query-named-block-nodes":
                return {"return": [{"node-name": node} for node in self.nodes]}
            case "query-jobs":
                jobs = self.jobs.items()
                return {"return": [{"id": job, "type": "mirror", "status": status} for job, status in jobs]}
            case "block-job-cancel":
                assert given["force"]
                self.jobs[given["device"]] = "concluded"
                self.nodes = {node: "" if by == given["device"] else by for node, by in self.nodes.items()}
            case "job-dismiss":
                del self.jobs[given["id"]]
            case "blockdev-del":
                if self.nodes[given["node-name"]]:
                    return {"error": {"class": "GenericError", "desc": "Node is in use"}}
                del self.nodes[given["node-name"]]
                self.nodes = {node: "" if by == given["node-name"] else by for node, by in self.nodes.items()}
        return {"return": {}}


def remove(monitor: Monitor) -> None:
    remove_left_nodes(monitor, lambda: ALIASES, "qx-1")


def test_both_nodes_of_a_disk_go() -> None:
    monitor = Monitor(
        {
            "libvirt-1-format": "vda",
            "migration-vda-storage": "migration-vda-format",
            "migration-vda-format": "",
            "migration-vdb-storage": "",
        }
    )
    remove(monitor)
    assert monitor.nodes == {"libvirt-1-format": "vda"}


def test_the_job_that_fills_them_ends_first_and_is_dismissed() -> None:
    for status in ("running", "concluded"):
        used = "drive-ua-data" if status == "running" else ""
        nodes = {"migration-vdb-storage": "migration-vdb-format", "migration-vdb-format": used}
        monitor = Monitor(nodes, {"drive-ua-data": status, "copy-vdb-libvirt-2-format": "running"})
        remove(monitor)
        assert monitor.nodes == {}
        assert monitor.jobs == {"copy-vdb-libvirt-2-format": "running"}


def test_of_a_guest_with_nothing_left_nothing_more_is_asked() -> None:
    monitor = Monitor(
        {"libvirt-1-format": "vda", "my-migration-vda-storage": ""}, {"drive-ua-root": "running"}
    )
    remove(monitor)
    assert monitor.asked == ["query-named-block-nodes"]
    assert monitor.jobs == {"drive-ua-root": "running"}


def test_what_is_in_use_stays() -> None:
    monitor = Monitor({"migration-vda-format": "vda"})
    remove(monitor)
    assert monitor.nodes == {"migration-vda-format": "vda"}
