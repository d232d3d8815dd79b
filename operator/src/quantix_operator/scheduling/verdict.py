"""In words: why no host takes a guest, in a sentence and for each host.

Pure; called by the placement controller for what `plan.place` refused. The reason is what keeps out every
host that is ready; where they differ it is NoHostFits, which counts (design/ux.md, section 4).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from quantix_api.facts import Fact, fact
from quantix_api.quantities import human_size
from quantix_api.vm_status import UnfitHosts
from quantix_operator.scheduling.model import GIB, Lack, Refusal
from quantix_operator.scheduling.plan import Decision, HostVerdict

_NAMED_HOSTS = 3
_LISTED_HOSTS = 64
_LISTED_REASONS = 64
_AWAY = (Lack.READY, Lack.OPEN)
"""What makes a host no candidate at all, whatever the guest asks for."""

_LACKS = {
    Lack.SELECTOR: "lack label {what}",
    Lack.TAINT: "have taint {what}",
    Lack.DEVICE: "lack device {what}",
    Lack.POOL: "lack pool {what}",
    Lack.VOLUME: "do not have volume {what}",
    Lack.NETWORK: "lack network {what}",
    Lack.AFFINITY: "have no VM with {what}",
    Lack.ANTI_AFFINITY: "have a VM with {what}",
    Lack.CPU: "lack CPU",
    Lack.MEMORY: "lack memory",
}
_ONE = {"lack": "lacks", "have": "has", "do": "does", "are": "is"}


def scheduled_false(decision: Decision) -> Fact:
    """The condition Scheduled of a guest that no host takes."""
    candidates = [verdict for verdict in decision.verdicts if not _away(verdict)]
    common = _common_lack(candidates)
    guest = decision.guest
    if common is Lack.MEMORY:
        hosts = _with_others(_free_memory(candidates), decision.verdicts)
        return fact(
            "Scheduled", "False", "NotEnoughMemory", wanted=human_size(guest.memory_bytes), hosts=hosts
        )
    if common is Lack.CPU and not any(_lacks_both(verdict) for verdict in candidates):
        hosts = _with_others(_free_cpu(candidates), decision.verdicts)
        cpus = "1 CPU" if guest.vcpus == 1 else f"{guest.vcpus} CPUs"
        return fact("Scheduled", "False", "NotEnoughCPU", wanted=cpus, hosts=hosts)
    if common is Lack.ANTI_AFFINITY:
        group = next(item.what for item in candidates[0].refusals if item.lack is common)
        return fact(
            "Scheduled", "False", "AntiAffinity", group=group, wanted="another host", ready=len(candidates)
        )
    if not decision.verdicts:
        return fact("Scheduled", "False", "NoHostFits")
    return fact("Scheduled", "False", "NoHostFits", reasons=_counts(decision.verdicts), name=guest.name)


def unfit_hosts(decision: Decision) -> tuple[UnfitHosts, ...]:
    """Every host under what it lacks first: those that lack the same are one group, the largest group first.

    Without figures, which run: it changes only when a host's verdict does.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for verdict in decision.verdicts:
        if verdict.refusals:
            groups[_first_phrase(verdict)].append(verdict.host)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return tuple(
        UnfitHosts(why=_in_number(why, len(hosts)), count=len(hosts), hosts=tuple(hosts[:_LISTED_HOSTS]))
        for why, hosts in ordered[:_LISTED_REASONS]
    )


def _away(verdict: HostVerdict) -> bool:
    return any(refusal.lack in _AWAY for refusal in verdict.refusals)


def _common_lack(candidates: Sequence[HostVerdict]) -> Lack | None:
    """The first matter, in the order of `Lack`, that keeps out every candidate."""
    if not candidates:
        return None
    shared = set(Lack)
    for verdict in candidates:
        shared &= {refusal.lack for refusal in verdict.refusals}
    return next((lack for lack in Lack if lack in shared), None)


def _free_memory(candidates: Sequence[HostVerdict]) -> str:
    free = [f"{item.host} {max(item.free_memory_bytes, 0) // GIB}" for item in candidates]
    return _first(free)


def _free_cpu(candidates: Sequence[HostVerdict]) -> str:
    free = [f"{item.host} {max(item.free_cpu_millis, 0) // 1000}" for item in candidates]
    return _first(free)


def _with_others(named: str, verdicts: Sequence[HostVerdict]) -> str:
    """The candidates' figures, and what the other hosts are instead of ready."""
    away = [f"{item.host} is {_why_away(item)}" for item in verdicts if _away(item)]
    return f"{named}; {_first(away)}" if away else named


def _why_away(verdict: HostVerdict) -> str:
    return next(refusal.what for refusal in verdict.refusals if refusal.lack in _AWAY)


def _first(items: Sequence[str]) -> str:
    more = len(items) - _NAMED_HOSTS
    return ", ".join(items[:_NAMED_HOSTS]) + (f" and {more} more" if more > 0 else "")


def _counts(verdicts: Sequence[HostVerdict]) -> str:
    """`2 lack memory, 1 lacks pool ceph`: by what each host lacks first."""
    counted = Counter(_first_phrase(verdict) for verdict in verdicts if verdict.refusals)
    parts = [f"{number} {_in_number(phrase, number)}" for phrase, number in counted.most_common()]
    return _first(parts)


def _first_phrase(verdict: HostVerdict) -> str:
    first = verdict.refusals[0]
    return "lack CPU and memory" if first.lack is Lack.CPU and _lacks_both(verdict) else _phrase(first)


def _lacks_both(verdict: HostVerdict) -> bool:
    return {Lack.CPU, Lack.MEMORY} <= {refusal.lack for refusal in verdict.refusals}


def _phrase(refusal: Refusal) -> str:
    if refusal.lack in _AWAY:
        return f"are {refusal.what}"
    return _LACKS[refusal.lack].format(what=refusal.what)


def _in_number(phrase: str, number: int) -> str:
    verb, _, rest = phrase.partition(" ")
    return f"{_ONE[verb]} {rest}" if number == 1 else phrase
