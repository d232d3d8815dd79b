"""The alert rules, the dashboard and the scrape configuration: they name only what there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from quantix_api.metric import Metric
from quantix_api.metrics import ALL_METRICS, series_names
from quantix_cli.main import qx

ROOT = Path(__file__).resolve().parents[3]
MONITORING = ROOT / "monitoring"
SERIES = {name: metric for metric in ALL_METRICS for name in series_names(metric)}
# what Prometheus makes itself, and the labels that its configuration gives to targets
OF_PROMETHEUS = {"up", "ALERTS", "job", "instance", "host", "le", "alertname", "alertstate"}
# PromQL's own words, as far as they are used
WORDS = {
    *("absent", "count", "histogram_quantile", "increase", "label_values", "max", "min"),
    *("min_over_time", "predict_linear", "rate", "sum", "time", "vector"),
    *("and", "by", "or"),
}
_TEXT = re.compile(r'"[^"]*"')
_VARIABLE = re.compile(r"\$\{?\w+\}?")
_DURATION = re.compile(r"\b\d+[smhd]\b")
_NAME = re.compile(r"\b[a-zA-Z_]\w*")
_SELECTOR = re.compile(r"\b([a-z]\w*)\{([^}]*)\}")
_COMMAND = re.compile(r"\bqx (\w+)(?: ([a-z]+(?:-[a-z]+)*))?")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
    return found


def expressions() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]


def names_in(expression: str) -> set[str]:
    for noise in (_TEXT, _VARIABLE, _DURATION):
        expression = noise.sub(" ", expression)
    return set(_NAME.findall(expression)) - WORDS - OF_PROMETHEUS


@pytest.mark.parametrize(("where", "expression"), tuple(expressions()))
def test_an_expression_names_only_metrics_and_labels_of_the_table(where: str, expression: str) -> None:
    labels = {label for metric in ALL_METRICS for label in metric.labels}
    unknown = names_in(expression) - SERIES.keys() - labels
    assert not unknown, where


@pytest.mark.parametrize(("where", "expression"), tuple(expressions()))
def test_a_metric_is_asked_by_labels_that_it_has(where: str, expression: str) -> None:
    for name, selector in _SELECTOR.findall(expression):
        metric: Metric | None = SERIES.get(name)
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", _TEXT.sub("", selector)))
        known = OF_PROMETHEUS if metric is None else OF_PROMETHEUS | set(metric.labels)
        assert asked <= known, where


def test_a_name_that_does_not_exist_is_found() -> None:
    assert names_in('sum by (host) (rate(quantix_nothing_total{kind="x"}[5m])) > $limit') == {
        "quantix_nothing_total",
        "kind",
    }


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_is_so_and_what_to_do_by_a_command_that_exists(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"Quantix[A-Z]\w+", rule["alert"])
    assert rule["labels"]["severity"] in ("critical", "warning")
    said = rule["annotations"]
    assert set(said) == {"summary", "description", "action"}
    assert not said["summary"].endswith(".")
    commands = _COMMAND.findall(said["action"])
    assert commands
    for noun, verb in commands:
        known = qx.get_command(click.Context(qx), noun)
        assert known is not None, noun
        if isinstance(known, click.Group):
            assert known.get_command(click.Context(known), verb) is not None, f"{noun} {verb}"


def test_every_alert_has_a_test_in_which_it_fires_and_no_other_name_is_used() -> None:
    tests = (MONITORING / "rules_test.yaml").read_text()
    fired = set(re.findall(r'alertname="(\w+)",alertstate="firing",', tests))
    assert fired == {rule["alert"] for rule in rules()}


def test_the_dashboard_works_with_any_prometheus_and_shows_cluster_host_and_vm() -> None:
    found = dashboard()
    variables = {variable["name"]: variable for variable in found["templating"]["list"]}
    assert set(variables) == {"datasource", "host", "namespace", "vm"}
    assert variables["datasource"]["type"] == "datasource"
    rows = [panel["title"] for panel in found["panels"] if panel["type"] == "row"]
    assert rows == ["Cluster", "Control plane and operator", "Host $host", "VM $namespace/$vm"]
    shown = [panel for panel in found["panels"] if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in shown} == {"${datasource}"}
    assert all(panel["targets"] for panel in shown)
    numbers = [panel["id"] for panel in found["panels"]]
    assert len(numbers) == len(set(numbers))


def test_rules_and_dashboard_ask_for_jobs_that_are_scraped() -> None:
    configured = yaml.safe_load((MONITORING / "prometheus.yaml").read_text())["scrape_configs"]
    jobs = {job["job_name"] for job in configured}
    asked = {job for _, expression in expressions() for job in re.findall(r'job="([^"]+)"', expression)}
    assert asked <= jobs


def test_the_account_has_the_role_for_metrics_and_no_other() -> None:
    account, binding = yaml.safe_load_all((MONITORING / "account.yaml").read_text())
    assert binding["roleRef"]["name"] == "quantix:monitoring"
    subject = {key: account["metadata"][key] for key in ("name", "namespace")}
    assert binding["subjects"] == [{"kind": "ServiceAccount", **subject}]


def test_the_page_names_every_file() -> None:
    page = (ROOT / "docs/monitoring.md").read_text()
    assert not [path.name for path in MONITORING.iterdir() if f"monitoring/{path.name}" not in page]
