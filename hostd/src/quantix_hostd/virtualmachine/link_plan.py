"""Plans whether each NIC of a running guest has a link. Pure; called by `live_plan`.

A NIC that was moved to another network needs another address, and a guest asks for one only when its link
comes back. So the link of such a NIC is down for a time, which the record keeps:

```
  in network A ──status.nics says B──► down, until back_s ──► up, in network B
```
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from quantix_api.errors import WaitingError
from quantix_api.messages import as_error
from quantix_hostd.domainxml.spec import DomainSpec
from quantix_hostd.domainxml.view import DomainView
from quantix_hostd.virtualmachine.live_actions import SetLink
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.record import Cable, Record

DOWN_S = 7.0
"""NetworkManager takes a link for gone after 6 s (NetworkManager.conf(5), carrier-wait-timeout); others do so
at once."""


@dataclass(frozen=True)
class LinkPlan:
    """`record` is to be saved before the actions; `wait` tells of the first link that will come back."""

    record: Record
    actions: tuple[SetLink, ...] = ()
    wait: WaitingError | None = None
    back_s: float | None = None


def plan_links(observed: Observed, wanted: DomainSpec, live: DomainView, record: Record) -> LinkPlan:
    """Links up and down as spec wants them, but down for a time where the network is another."""
    cables = tuple(_cables(observed, wanted, live, record))
    away = {cable.name: cable.back_s - observed.now_s for cable in cables if cable.back_s}
    actions = tuple(
        SetLink(f"ua-{nic.name}", up)
        for nic in wanted.nics
        if (device := live.devices.get(f"ua-{nic.name}")) is not None
        and (device.get("link", "up") == "up") != (up := nic.link_up and nic.name not in away)
    )
    # one that is left out may be in another network once it is not
    kept = tuple(cable for cable in record.cables if cable.name in wanted.left_out)
    record = replace(record, cables=(*cables, *kept))
    if not away:
        return LinkPlan(record, actions)
    assert observed.vm is not None
    network = next(nic.network for nic in observed.vm.spec.nics if nic.name in away)
    wait = as_error(
        WaitingError, "WaitingForGuest", nic=next(iter(away)), network=network, seconds=int(DOWN_S)
    )
    return LinkPlan(record, actions, wait, min(away.values()))


def plugged_in(observed: Observed) -> tuple[Cable, ...]:
    """The cables of a guest that starts now."""
    assert observed.vm is not None
    return tuple(Cable(nic.name, nic.network or "") for nic in observed.vm.status.nics)


def _cables(observed: Observed, wanted: DomainSpec, live: DomainView, record: Record) -> Iterator[Cable]:
    known = {cable.name: cable for cable in record.cables}
    now_in = {cable.name: cable for cable in plugged_in(observed)}
    for nic in wanted.nics:
        cable = now_in[nic.name]
        if f"ua-{nic.name}" not in live.devices:
            continue
        before = known.get(nic.name, cable)
        if before.network != cable.network:
            yield replace(cable, back_s=observed.now_s + DOWN_S)
        elif observed.now_s < before.back_s:
            yield before
        else:
            yield cable
