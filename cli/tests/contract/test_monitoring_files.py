"""The files of monitoring/, checked by Prometheus' own tool."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import yaml

from quantix_lab import promtool
from quantix_lab.checkout import CHECKOUT

_MONITORING = CHECKOUT / "monitoring"


def test_the_alert_rules_fire_when_they_should_and_only_then() -> None:
    assert (checked := promtool.check_rules(_MONITORING / "rules.yaml")).ok, checked.said
    assert (tested := promtool.run_rule_tests(_MONITORING / "rules_test.yaml")).ok, tested.said


def test_the_scrape_configuration_is_one_once_its_files_are_made(tmp_path: Path) -> None:
    for name in ("prometheus.yaml", "rules.yaml"):
        shutil.copy(_MONITORING / name, tmp_path)
    assert not promtool.check_config(tmp_path / "prometheus.yaml").ok
    for name in ("token", "api-ca.crt", "hosts-ca.crt"):
        (tmp_path / name).write_text("made as docs/monitoring.md says")
    (tmp_path / "hosts.json").write_text(
        json.dumps([{"targets": ["192.0.2.1:9443"], "labels": {"host": "h1"}}])
    )
    assert (checked := promtool.check_config(tmp_path / "prometheus.yaml")).ok, checked.said


def test_every_expression_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    panels = json.loads((_MONITORING / "dashboard.json").read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    filled = [re.sub(r"\$\w+", "x", text.replace("$__rate_interval", "5m")) for text in asked]
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(filled)]
    path = tmp_path / "dashboard.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert (checked := promtool.check_rules(path)).ok, checked.said
