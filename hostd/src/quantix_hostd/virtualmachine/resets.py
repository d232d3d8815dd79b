"""Tells of guests that are reset again and again: QEMU runs on, so nothing of their VM's status shows it.

The reconciler passes each reset on that libvirt tells, whoever did it: the guest, its watchdog, a user.
"""

from __future__ import annotations

from collections import deque

from quantix_api.messages import render
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_hostd.events import tell
from quantix_hostd.told import Told
from quantix_hostd.virtualmachine.tools import VmTools

_OFTEN = 5
_WITHIN_MIN = 5
_TOLD_AGAIN_S = 1800.0
_MINUTE_S = 60.0


class ResetWatch:
    """The resets of this host's guests, in memory."""

    def __init__(self, tools: VmTools) -> None:
        self._tools = tools
        self._at_s: dict[str, deque[float]] = {}
        self._told_s: dict[str, float] = {}

    def note(self, uid: str) -> None:
        """The guest of this VM was reset; where that comes often, an event says so, twice an hour at most."""
        now_s = self._tools.clock.monotonic()
        at_s = self._at_s.setdefault(uid, deque(maxlen=_OFTEN))
        at_s.append(now_s)
        often = len(at_s) == _OFTEN and now_s - at_s[0] <= _WITHIN_MIN * _MINUTE_S
        if not often or now_s - self._told_s.get(uid, -_TOLD_AGAIN_S) < _TOLD_AGAIN_S:
            return
        manifest = self._tools.objects.virtual_machine_manifest(uid)
        if manifest is not None:
            self._told_s[uid] = now_s
            name = manifest["metadata"]["name"]
            said = render("GuestResets", times=_OFTEN, minutes=_WITHIN_MIN, name=name)
            tell(self._tools.events, VIRTUAL_MACHINES, manifest, Told("GuestResets", said.text, "Warning"))

    def forget(self, uid: str) -> None:
        """Its QEMU has ended."""
        self._at_s.pop(uid, None)
        self._told_s.pop(uid, None)
