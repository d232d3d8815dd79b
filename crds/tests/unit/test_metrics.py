"""The table of metrics: Prometheus' conventions, and a reference that says what the table says."""

from __future__ import annotations

import re

import pytest

from quantix_api.metric import Metric, MetricType, Source
from quantix_api.metrics import ALL_METRICS, OWN_METRICS, metrics_of, series_names

_PREFIXES = {
    Source.HOSTD: ("quantix_host_", "quantix_pool_", "quantix_vm_", "quantix_hostd_"),
    Source.OPERATOR: ("quantix_operator_",),
}


def test_no_two_metrics_have_one_name() -> None:
    names = [name for metric in ALL_METRICS for name in series_names(metric)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("metric", OWN_METRICS, ids=lambda metric: metric.name)
def test_a_metric_of_ours_keeps_to_the_conventions(metric: Metric) -> None:
    assert metric.name.startswith(_PREFIXES[metric.sources[0]])
    assert metric.name.endswith("_total") == (metric.type is MetricType.COUNTER)
    assert metric.unit in ("", "seconds", "bytes")
    stem = metric.name.removesuffix("_total")
    assert stem.endswith(metric.unit) or f"_{metric.unit}_" in stem
    assert metric.help.endswith(".")
    assert all(re.fullmatch(r"[a-z][a-z_]*", label) for label in metric.labels)
    assert bool(metric.buckets) == (metric.type is MetricType.HISTOGRAM)
    assert sorted(metric.buckets) == list(metric.buckets)


def test_a_process_is_asked_for_its_own_and_for_what_all_have() -> None:
    names = {metric.name for metric in metrics_of(Source.OPERATOR)}
    assert {"quantix_operator_leader", "process_open_fds"} <= names
    assert not {name for name in names if name.startswith(("quantix_vm", "etcd_"))}
