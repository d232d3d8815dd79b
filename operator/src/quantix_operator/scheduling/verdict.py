"""In words: why no host takes a guest, in a sentence and for each host.

Pure; called by the placement controller for what `plan.place` refused. The reason is what keeps out every
host that is ready; where they differ it is NoHostFits, which counts (design/ux.md, section 4).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass

from quantix_api.facts import Fact, fact
from quantix_api.message_table_phrases import ANOTHER_HOST, CPU_AND_MEMORY, LACKS, Phrase
from quantix_api.message_text import first_of
from quantix_api.quantities import counted, human_size
from quantix_api.vm_status import UnfitHosts
from quantix_operator.scheduling.model import GIB, Guest, Lack, Refusal
from quantix_operator.scheduling.plan import Decision, HostVerdict

_LISTED_HOSTS = 64
_LISTED_REASONS = 64
_AWAY = (Lack.READY, Lack.OPEN)
"""What makes a host no candidate at all, whatever the guest asks for."""


@dataclass(frozen=True)
class _Cause:
    """What keeps the guest off a host. `away`: the host takes nothing at all."""

    phrase: Phrase
    what: str = ""
    away: bool = False

    def of(self, hosts: int) -> str:
        """In words, of so many hosts."""
        return self.phrase.of(hosts, what=self.what)


def scheduled_false(decision: Decision) -> Fact:
    """The condition Scheduled of a guest that no host takes."""
    candidates = [verdict for verdict in decision.verdicts if not _away(verdict)]
    common = _common_lack(candidates)
    guest = decision.guest
    if common is Lack.ADDRESSES:
        ceilings = [f"{item.host} {_refusal(item, common).why}" for item in candidates]
        fields = {
            "most": human_size(guest.most_bytes),
            "hosts": _with_others(first_of(ceilings), decision.verdicts),
        }
        return fact("Scheduled", "False", "NotEnoughMemory", name=guest.name, **fields)
    if common is Lack.MEMORY:
        wanted = human_size(guest.memory_bytes)
        hosts = _with_others(_free_memory(candidates), decision.verdicts)
        return fact("Scheduled", "False", "NotEnoughMemory", wanted=wanted, hosts=hosts)
    if common is Lack.CPU and not any(_lacks_both(verdict) for verdict in candidates):
        hosts = _with_others(_free_cpu(candidates), decision.verdicts)
        return _cpu_false(guest, hosts, {verdict.cpu_percent for verdict in candidates})
    if common is Lack.DEVICE:
        return _no_device(candidates, decision.verdicts)
    if common is Lack.ANTI_AFFINITY:
        group = _refusal(candidates[0], common).what
        return fact(
            "Scheduled", "False", "AntiAffinity", group=group, wanted=ANOTHER_HOST, ready=len(candidates)
        )
    if not decision.verdicts:
        return fact("Scheduled", "False", "NoHostFits")
    return fact("Scheduled", "False", "NoHostFits", reasons=host_counts(decision.verdicts), name=guest.name)


def _refusal(verdict: HostVerdict, lack: Lack) -> Refusal:
    return next(item for item in verdict.refusals if item.lack is lack)


def _cpu_false(guest: Guest, hosts: str, percents: Set[int]) -> Fact:
    """That CPUs are lacking, and how often each counts where they are overcommitted."""
    wanted = counted(guest.vcpus, "CPU")
    if percents == {100}:
        return fact("Scheduled", "False", "NotEnoughCPU", wanted=wanted, hosts=hosts)
    times = " to ".join(f"{percent / 100:g}" for percent in sorted({min(percents), max(percents)}))
    return fact("Scheduled", "False", "NotEnoughCPU", wanted=wanted, hosts=hosts, times=times)


def _no_device(candidates: Sequence[HostVerdict], verdicts: Sequence[HostVerdict]) -> Fact:
    """Of the class that the first candidate lacks; the others may lack others of the guest's."""
    lacks = [
        (item.host, refusal)
        for item in candidates
        for refusal in item.refusals
        if refusal.lack is Lack.DEVICE
    ]
    hosts = _with_others(first_of([f"{host}: {refusal.why}" for host, refusal in lacks]), verdicts)
    return fact("Scheduled", "False", "DeviceUnavailable", device=lacks[0][1].what, hosts=hosts)


def unfit_hosts(decision: Decision) -> tuple[UnfitHosts, ...]:
    """Every host under what it lacks first: those that lack the same are one group, the largest group first.

    Without figures, which run: it changes only when a host's verdict does.
    """
    groups: dict[_Cause, list[str]] = defaultdict(list)
    for verdict in decision.verdicts:
        if verdict.refusals:
            groups[_first_cause(verdict)].append(verdict.host)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0].of(len(group[1]))))
    return tuple(
        UnfitHosts(
            why=cause.of(len(hosts)),
            away=cause.away,
            count=len(hosts),
            hosts=tuple(hosts[:_LISTED_HOSTS]),
        )
        for cause, hosts in ordered[:_LISTED_REASONS]
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
    """In whole GiB: finer figures would be news all the time."""
    return first_of([f"{item.host} {max(item.free_memory_bytes, 0) // GIB} GiB" for item in candidates])


def _free_cpu(candidates: Sequence[HostVerdict]) -> str:
    return first_of([f"{item.host} {counted(max(item.free_cpus, 0), 'CPU')}" for item in candidates])


def _with_others(named: str, verdicts: Sequence[HostVerdict]) -> str:
    """The candidates' figures, and what the other hosts are instead of ready."""
    away = [f"{item.host} {_why_away(item)}" for item in verdicts if _away(item)]
    return f"{named}; {first_of(away)}" if away else named


def _why_away(verdict: HostVerdict) -> str:
    refusal = next(refusal for refusal in verdict.refusals if refusal.lack in _AWAY)
    return LACKS[refusal.lack].of(1, what=refusal.what)


def host_counts(verdicts: Sequence[HostVerdict]) -> str:
    """`2 lack memory, 1 lacks pool ceph`: by what each host lacks first."""
    causes = Counter(_first_cause(verdict) for verdict in verdicts if verdict.refusals)
    return first_of([f"{number} {cause.of(number)}" for cause, number in causes.most_common()])


def first_lack(verdict: HostVerdict) -> str:
    """`lacks memory`: what keeps the guest off this one host."""
    return _first_cause(verdict).of(1)


def _first_cause(verdict: HostVerdict) -> _Cause:
    first = verdict.refusals[0]
    if first.lack is Lack.CPU and _lacks_both(verdict):
        return _Cause(CPU_AND_MEMORY)
    return _Cause(LACKS[first.lack], first.what, first.lack in _AWAY)


def _lacks_both(verdict: HostVerdict) -> bool:
    return {Lack.CPU, Lack.MEMORY} <= {refusal.lack for refusal in verdict.refusals}
