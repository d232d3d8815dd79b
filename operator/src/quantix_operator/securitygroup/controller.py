"""Security groups: keeps their port groups and rules in the northbound database, and says so in status.

Built by `networking`. A group goes only when no VM and no rule names it; until then it is in force as if
nobody had deleted it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from quantix_api import SecurityGroup, VirtualMachine
from quantix_api.facts import Fact, fact, render_conditions, subject_in
from quantix_api.message_table_phrases import GOES_AFTER
from quantix_api.message_text import first_of
from quantix_api.resources import SECURITY_GROUPS, VIRTUAL_MACHINES, Resource
from quantix_client.api import Manifest
from quantix_operator.cache import Cache
from quantix_operator.clients.ovn_nb_errors import NorthboundUnreachable
from quantix_operator.dispatch import Mapper
from quantix_operator.finalizers import Finalizers
from quantix_operator.network_context import RETRY_S, SLOW_S, NetworkContext, unreachable
from quantix_operator.securitygroup.rows import plan_group, security_group_owner
from quantix_operator.status_writer import StatusWriter


class SecurityGroupController:
    """See the module."""

    name = "securitygroup"
    concurrency = 4
    resource: Resource | None = SECURITY_GROUPS

    def __init__(self, context: NetworkContext) -> None:
        self._context = context
        self._writer = StatusWriter(context.api, context.cache)
        self._finalizers = Finalizers(context.api, context.cache, SECURITY_GROUPS)
        self.watches: Mapping[Resource, Mapper] = {
            SECURITY_GROUPS: groups_of_namespace,
            VIRTUAL_MACHINES: deleted_groups,
        }

    async def reconcile(self, key: str) -> float | None:
        """Bring one SecurityGroup about."""
        group = self._context.objects.get(SecurityGroup, key)
        live = self._context.cache.get(SECURITY_GROUPS, key)
        if group is None or live is None:
            return None
        if group.deleting and not self._users(group):
            return await self._delete(group, live)
        held = await self._finalizers.ensure(live)
        if held is None:
            return None
        return await self._program(group, held)

    async def _program(self, group: SecurityGroup, live: Manifest) -> float | None:
        context = self._context
        others = context.objects.list(SecurityGroup, group.metadata.namespace)
        uids = {item.metadata.name: item.metadata.uid for item in others}
        plan = plan_group(security_group_owner(context.cluster_uid, group), group, uids)
        try:
            await context.northbound.converge(group.metadata.uid, plan.rows)
        except NorthboundUnreachable:
            await self._say(live, unreachable(live))
            return RETRY_S
        users = self._users(group) if group.deleting else []
        if users:
            ready = kept_by(users, self._users(group, staying=True))
        elif plan.missing:
            missing = plan.missing[0]
            ready = fact("Ready", "False", "GroupNotFound", group=missing, path=path_of_peer(group, missing))
        else:
            ready = fact("Ready", "True", "Programmed")
        await self._say(live, ready)
        return RETRY_S if users else SLOW_S

    def _users(self, group: SecurityGroup, *, staying: bool = False) -> list[str]:
        """`staying`: without those that are being deleted, too."""
        objects, namespace = self._context.objects, group.metadata.namespace
        vms = [vm for vm in objects.list(VirtualMachine, namespace) if not (staying and vm.deleting)]
        return group_users(group, vms, objects.list(SecurityGroup, namespace))

    async def _delete(self, group: SecurityGroup, live: Manifest) -> float | None:
        try:
            await self._context.northbound.converge(group.metadata.uid, [])
        except NorthboundUnreachable:
            await self._say(live, unreachable(live))
            return RETRY_S
        await self._finalizers.release(live)
        return None

    async def _say(self, live: Manifest, ready: Fact) -> None:
        status = {
            "observedGeneration": int(live["metadata"].get("generation") or 0),
            "conditions": render_conditions([ready], subject_in(SECURITY_GROUPS, live), datetime.now(UTC)),
        }
        await self._writer.write(SECURITY_GROUPS, live, status)


def kept_by(users: Sequence[str], staying: Sequence[str]) -> Fact:
    """What a group that is deleted waits for: somebody, or that those go which are deleted, too."""
    if staying:
        return fact("Ready", "False", "InUse", group_users=first_of(staying))
    return fact("Ready", "False", "Deleting", what=GOES_AFTER.format(users=first_of(users)))


def group_users(
    group: SecurityGroup, vms: Iterable[VirtualMachine], groups: Iterable[SecurityGroup]
) -> list[str]:
    """The VMs and the other groups that name a group. VMs on their way out count until they are gone."""
    name = group.metadata.name
    users = {
        f"VM {vm.metadata.name}"
        for vm in vms
        if any(name in nic.effective_security_groups for nic in vm.spec.nics)
    }
    users |= {
        f"security group {other.metadata.name}"
        for other in groups
        if other.metadata.uid != group.metadata.uid and not other.deleting and name in named_groups(other)
    }
    return sorted(users)


def named_groups(group: SecurityGroup) -> set[str]:
    """The groups that a group's rules name."""
    incoming = (peer for rule in group.spec.ingress for peer in rule.from_)
    outgoing = (peer for rule in group.spec.egress or () for peer in rule.to)
    return {peer.group for peer in (*incoming, *outgoing) if peer.group is not None}


def path_of_peer(group: SecurityGroup, name: str) -> str:
    """Where in spec a group is named."""
    for place, incoming in enumerate(group.spec.ingress):
        if any(peer.group == name for peer in incoming.from_):
            return f"spec.ingress[{place}].from"
    for place, outgoing in enumerate(group.spec.egress or ()):
        if any(peer.group == name for peer in outgoing.to):
            return f"spec.egress[{place}].to"
    return "spec"


def groups_of_namespace(group: Manifest, cache: Cache) -> Iterable[str]:
    """A group and all others of its namespace: their rules may name it."""
    namespace = group["metadata"].get("namespace") or ""
    for item in cache.list(SECURITY_GROUPS, namespace):
        yield f"{namespace}/{item['metadata']['name']}"


def deleted_groups(vm: Manifest, cache: Cache) -> Iterable[str]:
    """The groups of a VM's namespace that wait to be deleted."""
    namespace = vm["metadata"].get("namespace") or ""
    for item in cache.list(SECURITY_GROUPS, namespace):
        if item["metadata"].get("deletionTimestamp"):
            yield f"{namespace}/{item['metadata']['name']}"
