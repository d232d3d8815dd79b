"""Which rules of placement are broken where the VMs are, and which would be if one of them moved. Pure.

Used by `observe` and `plan`. Rules mean what the filters of the scheduler mean by them; here every VM has one
place only, the one that it is on its way to.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from quantix_operator.balance.model import Broken, Cause
from quantix_operator.scheduling.model import Guest, Rule, World

_Group = tuple[str, tuple[tuple[str, str], ...], str]


@dataclass(frozen=True)
class BrokenRules:
    """All that are broken, in turn; `concerned`: whose move could mend one."""

    rules: tuple[Broken, ...] = ()
    concerned: frozenset[str] = frozenset()


def broken_rules(world: World) -> BrokenRules:
    """Where the VMs are now. With many of them it takes long: not for the event loop."""
    places = Places(world)
    rules = places.all_broken()
    return BrokenRules(rules, frozenset(uid for one in rules for uid in (one.uid, *places.in_the_way(one))))


class Places:
    """Where each VM is. `move` changes it; each question costs as much as the namespace has choosy VMs."""

    def __init__(self, world: World) -> None:
        self._labels = {host.name: host.labels for host in world.hosts}
        self._guests: dict[str, Guest] = {}
        self._host: dict[str, str] = {}
        self._choosy: dict[str, set[str]] = defaultdict(set)
        self._counts: dict[_Group, Counter[str]] = {}
        self._selected: Counter[_Group] = Counter()
        self._asked: dict[str, dict[_Group, Rule]] = defaultdict(dict)
        self._in: dict[str, dict[str, Guest]] = defaultdict(dict)
        for placed in world.placed:
            guest = placed.guest
            self._guests[guest.uid], self._host[guest.uid] = guest, placed.host
            self._in[guest.namespace][guest.uid] = guest
            if guest.affinity or guest.anti_affinity or guest.host_selector:
                self._choosy[guest.namespace].add(guest.uid)

    def guest(self, uid: str) -> Guest:
        return self._guests[uid]

    def host(self, uid: str) -> str:
        return self._host[uid]

    def all_broken(self) -> tuple[Broken, ...]:
        """Every broken rule, in turn."""
        uids = sorted(uid for choosy in self._choosy.values() for uid in choosy)
        return tuple(sorted((item for uid in uids for item in self.broken(uid)), key=lambda item: item.turn))

    def broken(self, uid: str) -> frozenset[Broken]:
        """Those rules of the VM itself that are broken."""
        return frozenset(self._broken(self._guests[uid]))

    def in_the_way(self, broken: Broken) -> tuple[str, ...]:
        """The other VMs whose leaving could mend a rule: those that are where it wants none of them."""
        guest = self._guests[broken.uid]
        if broken.cause is Cause.SELECTOR or broken.near:
            return ()
        rule = guest.anti_affinity[broken.place]
        here = self._domain(self._host[guest.uid], rule)
        return tuple(
            sorted(
                other.uid
                for other in self._in[guest.namespace].values()
                if other.uid != guest.uid
                and rule.selects(other.labels)
                and here is not None
                and self._domain(self._host[other.uid], rule) == here
            )
        )

    def changes(
        self, guest: Guest, hosts: Iterable[str]
    ) -> Iterator[tuple[str, frozenset[Broken], frozenset[Broken]]]:
        """For each host, of the rules that a move there touches: those broken now, and those broken then.

        Nothing else may be asked before the last of them.
        """
        touched = [guest.uid, *self._choosers_of(guest)]
        before, here = self._broken_of(touched), self._host[guest.uid]
        for host in hosts:
            self.move(guest, host)
            after = self._broken_of(touched)
            self.move(guest, here)
            yield host, before, after

    def move(self, guest: Guest, host: str) -> None:
        """It is there from now on."""
        before, self._host[guest.uid] = self._host[guest.uid], host
        for group, rule in self._asked[guest.namespace].items():
            if rule.selects(guest.labels):
                for place, number in ((before, -1), (host, 1)):
                    domain = self._domain(place, rule)
                    if domain is not None:
                        self._counts[group][domain] += number

    def _choosers_of(self, guest: Guest) -> Iterator[str]:
        for uid in self._choosy[guest.namespace]:
            other = self._guests[uid]
            rules = (*other.affinity, *other.anti_affinity)
            if uid != guest.uid and any(rule.selects(guest.labels) for rule in rules):
                yield uid

    def _broken_of(self, uids: Iterable[str]) -> frozenset[Broken]:
        return frozenset(item for uid in uids for item in self._broken(self._guests[uid]))

    def _broken(self, guest: Guest) -> Iterator[Broken]:
        host = self._host[guest.uid]
        labels = self._labels.get(host, {})
        for place, (key, value) in enumerate(sorted(guest.host_selector.items())):
            if labels.get(key) != value:
                yield Broken(guest.uid, Cause.SELECTOR, f"{key}={value}", place=place)
        for place, rule in enumerate(guest.affinity):
            near, anywhere = self._others(guest, rule, host)
            if anywhere and not near:
                cause = Cause.AFFINITY if rule.required else Cause.PREFERENCE
                yield Broken(guest.uid, cause, str(rule), True, rule.required, place)
        for place, rule in enumerate(guest.anti_affinity):
            if self._others(guest, rule, host)[0]:
                cause = Cause.ANTI_AFFINITY if rule.required else Cause.PREFERENCE
                yield Broken(guest.uid, cause, str(rule), False, rule.required, place)

    def _others(self, guest: Guest, rule: Rule, host: str) -> tuple[int, int]:
        """How many others that the rule selects are in the host's domain, and anywhere."""
        group = self._counted(guest.namespace, rule)
        domain = self._domain(host, rule)
        itself = rule.selects(guest.labels)
        near = self._counts[group][domain] - itself if domain is not None else 0
        return near, self._selected[group] - itself

    def _counted(self, namespace: str, rule: Rule) -> _Group:
        """How many VMs it selects, in each domain, is known from then on."""
        group = (namespace, tuple(sorted(rule.selector.items())), rule.topology_key)
        if group not in self._counts:
            selected = [other for other in self._in[namespace].values() if rule.selects(other.labels)]
            domains = (self._domain(self._host[other.uid], rule) for other in selected)
            self._counts[group] = Counter(domain for domain in domains if domain is not None)
            self._selected[group] = len(selected)
            self._asked[namespace][group] = rule
        return group

    def _domain(self, host: str, rule: Rule) -> str | None:
        return self._labels.get(host, {}).get(rule.topology_key)
