"""Stands in for the recorder of events, in tests of hostd's controllers."""

from __future__ import annotations

from quantix_lab.fake_status_api import Manifest


class ToldEvents:
    """Keeps the reasons and texts of the events that were told."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.texts: list[str] = []

    def record(self, regarding: Manifest, reason: str, text: str, **how: str) -> None:
        assert regarding["kind"]
        assert regarding["apiVersion"]
        assert how["reporter"] == "hostd"
        assert text.endswith((".", "?"))
        self.reasons.append(reason)
        self.texts.append(text)
