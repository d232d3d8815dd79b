"""What a scrape of hostd shows of the host, its pools and its guests at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from quantix_api.metric import MetricType, Source
from quantix_api.metrics import metrics_of
from quantix_hostd.domainxml.spec import tap_name
from quantix_hostd.facts.domain import DomainState, DomainStats
from quantix_hostd.facts.load import MachineLoad
from quantix_hostd.facts.machine import Accelerator
from quantix_hostd.host.host_metrics import HostMoment
from quantix_hostd.host.metrics import HostdMetrics, Moment, render_metrics, render_vm_metrics
from quantix_hostd.host.model import PoolFacts

_UID = "daaee2dc-3de5-4c5e-afa3-06beae8d3c1b"
_PORT = "0b6cbd8e-5f0c-4e0f-9a64-0f3f3f0b3d6e"
_WEB = {"namespace": "blue", "name": "web-1", "uid": _UID}
_GUEST = {
    "state.state": int(DomainState.RUNNING),
    "state.reason": 1,
    "cpu.time": 7_500_000_000,
    "vcpu.current": 1,
    "vcpu.0.state": 1,
    "vcpu.0.time": 5_000_000_000,
    "vcpu.0.delay": 250_000_000,
    "balloon.current": 2048,
    "balloon.rss": 1024,
    "balloon.usable": 512,
    "balloon.unused": 256,
    "balloon.available": 1536,
    "block.0.rd.bytes": 10,
    "block.0.wr.reqs": 3,
    "block.0.wr.times": 2_000_000_000,
    "block.0.rd.reqs": 1,
    "block.1.rd.bytes": 20,
    "net.0.rx.bytes": 100,
    "net.0.tx.drop": 4,
}
_NAMES = {"block.0.name": "vda", "block.1.name": "vdz", "net.0.name": tap_name(_PORT)}


def vm(**status: Any) -> dict[str, Any]:
    return {
        "metadata": _WEB,
        "spec": {"disks": [{"name": "root"}], "nics": [{"name": "lan", "network": "blue"}]},
        "status": {
            "phase": "Running",
            "runtime": {"restarts": 2},
            "resolved": {"devices": [{"name": "root", "port": 1}, {"name": "lan", "port": 2}]},
            "nics": [{"name": "lan", "port": _PORT}],
            **status,
        },
    }


class Seen:
    """The samples of one scrape."""

    def __init__(
        self,
        stats: tuple[DomainStats, ...] | None = (),
        machines: Mapping[str, Any] | None = None,
        *,
        load: MachineLoad | None = None,
        pools: Sequence[PoolFacts] = (),
        states: Sequence[str] | None = (),
        orphan_volume_pools: Sequence[str] = (),
    ) -> None:
        host = HostMoment(
            name="h1",
            accelerator=Accelerator.TCG,
            load=load or MachineLoad(),
            versions={"kernel": "6.1", "qemu": "7.2"},
            pools=pools,
            states=states,
            orphan_volume_pools=orphan_volume_pools,
        )
        moment = Moment(host, stats, machines or {}, libvirt=True, certificate_ends={"serving": 17.0})
        text = render_metrics(HostdMetrics().registry, moment).decode()
        self.families = list(text_string_to_metric_families(text))
        self._samples = [sample for family in self.families for sample in family.samples]

    def value(self, series: str, /, **labels: str) -> float | None:
        found = [item.value for item in self._samples if item.name == series and item.labels == labels]
        return found[0] if found else None

    def names(self) -> set[str]:
        return {item.name for item in self._samples}


def test_all_that_is_served_is_in_the_table_and_the_other_way_round() -> None:
    served = {
        (f"{family.name}_total" if family.type == "counter" else family.name, family.type)
        for family in Seen((DomainStats(f"qx-{_UID}", _GUEST, _NAMES),), {_UID: vm()}, load=_LOADED).families
    }
    assert served == {(metric.name, str(metric.type)) for metric in metrics_of(Source.HOSTD)}


def test_devices_are_called_as_in_spec_and_figures_have_base_units() -> None:
    seen = Seen((DomainStats(f"qx-{_UID}", _GUEST, _NAMES),), {_UID: vm()})
    assert seen.value("quantix_vm_cpu_seconds_total", **_WEB) == 7.5
    assert seen.value("quantix_vm_vcpu_seconds_total", **_WEB, vcpu="0") == 5
    assert seen.value("quantix_vm_vcpu_delay_seconds_total", **_WEB, vcpu="0") == 0.25
    assert seen.value("quantix_vm_memory_actual_bytes", **_WEB) == 2048 * 1024
    assert seen.value("quantix_vm_memory_guest_available_bytes", **_WEB) == 512 * 1024
    assert seen.value("quantix_vm_memory_guest_total_bytes", **_WEB) == 1536 * 1024
    assert seen.value("quantix_vm_disk_read_bytes_total", **_WEB, device="root") == 10
    assert seen.value("quantix_vm_disk_writes_total", **_WEB, device="root") == 3
    assert seen.value("quantix_vm_disk_write_seconds_total", **_WEB, device="root") == 2
    assert seen.value("quantix_vm_network_received_bytes_total", **_WEB, device="lan") == 100
    assert seen.value("quantix_vm_network_sent_drops_total", **_WEB, device="lan") == 4


def test_a_device_that_spec_does_not_name_keeps_the_hypervisors_name() -> None:
    seen = Seen((DomainStats(f"qx-{_UID}", _GUEST, _NAMES),), {_UID: vm()})
    assert seen.value("quantix_vm_disk_read_bytes_total", **_WEB, device="vdz") == 20


def test_a_vm_that_cannot_be_understood_costs_no_other_its_figures() -> None:
    strange = vm() | {"spec": {"disks": "none"}}
    seen = Seen((DomainStats(f"qx-{_UID}", _GUEST, _NAMES),), {_UID: strange})
    assert seen.value("quantix_vm_disk_read_bytes_total", **_WEB, device="vda") == 10


def test_the_state_of_a_paused_guest_says_why() -> None:
    paused = {"state.state": int(DomainState.PAUSED), "state.reason": 5}
    seen = Seen((DomainStats(f"qx-{_UID}", paused),), {_UID: vm()})
    assert seen.value("quantix_vm_state", **_WEB, state="paused", reason="ioerror") == 1
    running = Seen((DomainStats(f"qx-{_UID}", _GUEST),), {_UID: vm()})
    assert running.value("quantix_vm_state", **_WEB, state="running", reason="") == 1


def test_a_figure_that_libvirt_does_not_give_is_left_out() -> None:
    seen = Seen((DomainStats(f"qx-{_UID}", {"cpu.time": 1}),), {_UID: vm()})
    assert "quantix_vm_memory_guest_available_bytes" not in seen.names()
    assert "quantix_vm_disk_reads_total" not in seen.names()


def test_a_vm_that_does_not_run_has_its_phase_and_restarts() -> None:
    seen = Seen((), {_UID: vm(phase="Stopped")})
    assert seen.value("quantix_vm_phase", **_WEB, phase="Stopped") == 1
    assert seen.value("quantix_vm_restarts_total", **_WEB) == 2
    assert "quantix_vm_state" not in seen.names()


def test_a_guest_whose_vm_is_gone_has_no_name_and_keeps_its_uid() -> None:
    seen = Seen((DomainStats(f"qx-{_UID}", _GUEST, _NAMES),), {})
    gone = {"namespace": "", "name": "", "uid": _UID}
    assert seen.value("quantix_vm_cpu_seconds_total", **gone) == 7.5
    assert seen.value("quantix_vm_disk_read_bytes_total", **gone, device="vda") == 10


def test_without_figures_of_guests_the_rest_is_told() -> None:
    seen = Seen(None, {_UID: vm()}, states=None)
    assert seen.value("quantix_hostd_vm_stats_up") == 0
    assert seen.value("quantix_hostd_libvirt_up") == 1
    assert seen.value("quantix_vm_phase", **_WEB, phase="Running") == 1
    assert "quantix_host_vms" not in seen.names()


def test_a_host_tells_how_it_runs_guests_and_how_many() -> None:
    info = {"name": "h1", "accelerator": "tcg", "kernel": "6.1", "qemu": "7.2"}
    seen = Seen(states=["running", "paused", "running"])
    assert seen.value("quantix_host_info", **info) == 1
    assert seen.value("quantix_host_vms", state="running") == 2
    assert seen.value("quantix_host_vms", state="paused") == 1
    assert Seen(states=[]).value("quantix_host_vms", state="running") == 0


_LOADED = MachineLoad(
    cpus=2,
    cpu_s={"user": 3.5},
    averages=(2.0, 1.0, 0.5),
    booted_at=1_795_819_353.0,
    memory_bytes={"MemTotal": 400, "MemAvailable": 100, "SwapTotal": 0, "SwapFree": 0},
    pressure_s={("memory", "full"): 0.5},
    oom_kills=1,
)


def test_a_host_tells_its_load_as_far_as_its_kernel_does() -> None:
    seen = Seen(load=_LOADED)
    assert seen.value("quantix_host_cpu_seconds_total", mode="user") == 3.5
    assert seen.value("quantix_host_load5") == 1
    assert seen.value("quantix_host_memory_available_bytes") == 100
    assert seen.value("quantix_host_pressure_seconds_total", resource="memory", share="full") == 0.5
    assert "quantix_host_load1" not in Seen().names()


def test_a_pool_that_cannot_be_used_has_no_size() -> None:
    seen = Seen(pools=[PoolFacts("local", 100, 40), PoolFacts("nas", problem="not mounted")])
    assert seen.value("quantix_pool_usable", pool="local") == 1
    assert seen.value("quantix_pool_usable", pool="nas") == 0
    assert seen.value("quantix_pool_available_bytes", pool="local") == 40
    assert seen.value("quantix_pool_capacity_bytes", pool="nas") is None


def test_volumes_of_which_the_api_has_none_are_counted_by_pool() -> None:
    seen = Seen(orphan_volume_pools=["a", "b", "a"])
    assert seen.value("quantix_pool_orphan_volumes", pool="a") == 2
    assert seen.value("quantix_pool_orphan_volumes", pool="b") == 1


def test_what_is_told_of_one_vm_tells_nothing_of_another() -> None:
    other = "11111111-3de5-4c5e-afa3-06beae8d3c1b"
    machines = {_UID: vm(), other: vm() | {"metadata": {"namespace": "red", "name": "db", "uid": other}}}
    stats = [DomainStats(f"qx-{uid}", _GUEST, _NAMES) for uid in machines]
    text = render_vm_metrics(_UID, stats, machines).decode()
    assert f'quantix_vm_vcpus{{name="web-1",namespace="blue",uid="{_UID}"}} 1.0' in text
    assert other not in text
    assert 'namespace="red"' not in text
    assert "quantix_host" not in text


def test_histograms_have_the_buckets_of_the_table() -> None:
    seen = Seen()
    for metric in metrics_of(Source.HOSTD):
        if metric.type is MetricType.HISTOGRAM and not metric.labels:
            bounds = {str(bound) for bound in metric.buckets}
            samples = [
                item for family in seen.families if family.name == metric.name for item in family.samples
            ]
            assert bounds < {item.labels.get("le") for item in samples}
