"""Looks at everything that a VM depends on.

Called by the controller at every reconcile. All but Secrets comes from the cache; the ports are asked for by
the controller, since that has an effect.
"""

from __future__ import annotations

from quantix_api import Host, Image, InstanceType, VirtualMachine, VirtualMachineMigration
from quantix_api.host_labels import selects
from quantix_api.resources import SECRETS
from quantix_api.vm_status import OfType
from quantix_client.api import ApiClient
from quantix_client.errors import NotFound
from quantix_operator.indexers import migrations_of
from quantix_operator.objects import Objects
from quantix_operator.scheduling import host_reading
from quantix_operator.scheduling.eligible import Identities, Obstacle, barrier, chose_uuid
from quantix_operator.scheduling.observe import sizing_of
from quantix_operator.scheduling.sizing import given
from quantix_operator.staying import staying_fact
from quantix_operator.virtualmachine.disks import (
    disk_wishes,
    inherited_encryption,
    missing_sources,
    volume_views,
)
from quantix_operator.virtualmachine.neighbours import broken_affinity, broken_anti_affinity
from quantix_operator.virtualmachine.observed import Observed
from quantix_operator.virtualmachine.platform import HostPlatform
from quantix_operator.virtualmachine.protection import Standing
from quantix_operator.virtualmachine.room import lacking_room
from quantix_operator.virtualmachine.volume_model import Surroundings
from quantix_operator.volumedata.right import is_shared


async def observe(api: ApiClient, objects: Objects, vm: VirtualMachine) -> Observed:
    """The snapshot that plan and status are made from; without `nics`."""
    named = vm.spec.instance_type
    instance_type = objects.get(InstanceType, named) if named else None
    size = sizing_of(objects, vm)
    pool = objects.default_pool()
    assignment = vm.status.assignment
    host = objects.get(Host, assignment.host) if assignment and assignment.host else None
    disks, volumes = disk_wishes(vm), volume_views(objects, vm)
    full = lacking_room(objects, vm, disks, volumes)
    sources = missing_sources(objects, vm)
    # what its host has goes on as it is: only what is asked of it anew is refused
    keeps, no_type = given(vm, None) is not None, named is not None and size is None
    return Observed(
        vm=vm,
        live=objects.manifest(vm) or {"metadata": {}},
        sizing=size,
        of_type=_kept_of(instance_type),
        disks=disks,
        volumes=volumes,
        surroundings=Surroundings(
            sources={name: lack or full.new.get(name) for name, lack in sources.items()},
            default_pool=pool.metadata.name if pool else "",
            open_uids=frozenset(disk.volume_uid for disk in vm.status.runtime.disks),
            growths=full.growths,
            encryptions=inherited_encryption(objects, vm),
        ),
        fleet=[platform_of(item) for item in objects.list(Host)],
        standing=standing_of(objects, vm, host) if host else None,
        obstacle=_barrier(objects, vm, instance_type)
        or (_no_type(vm) if no_type and not keeps else None)
        or await _secret(api, vm),
        no_room=_no_type(vm, "missing") if no_type and keeps else None,
        host_lost=_lost_since(vm, host),
        staying=staying_fact(objects, vm),
        arrived=_arrived(objects, vm),
    )


def _kept_of(instance_type: InstanceType | None) -> OfType | None:
    if instance_type is None:
        return None
    name = instance_type.metadata.name
    return OfType(name=name, cpu=instance_type.spec.cpu, memory=instance_type.spec.memory)


def platform_of(host: Host) -> HostPlatform:
    """What of the host decides about machine type and CPU."""
    return HostPlatform(
        name=host.metadata.name,
        taken=not host_reading.not_ready(host) and not host_reading.closed(host),
        machine_type=host.status.versions.get("machineType", ""),
        cpu_model=host.status.cpu_model or "",
        kvm_works=host_reading.kvm_works(host),
    )


def _arrived(objects: Objects, vm: VirtualMachine) -> bool:
    """Whether a migration brought it to its host under this assignment: what was decided for it stays."""
    assignment = vm.status.assignment
    if assignment is None or assignment.host is None:
        return False
    for migration in objects.by(VirtualMachineMigration, migrations_of, vm.key):
        status, target = migration.status, migration.status.target
        is_its = (status.virtual_machine_uid, status.target_host) == (vm.metadata.uid, assignment.host)
        if is_its and target is not None and target.outcome == "Running" and target.epoch == assignment.epoch:
            return True
    return False


def _lost_since(vm: VirtualMachine, host: Host | None) -> str:
    if vm.status.assignment is None or vm.status.assignment.host is None:
        return ""
    return host_reading.lost_since(host)


def _barrier(objects: Objects, vm: VirtualMachine, instance_type: InstanceType | None) -> Obstacle | None:
    """All VMs are looked at only for one that chose its UUID."""
    rivals = objects.list(VirtualMachine) if chose_uuid(vm) else [vm]
    return barrier(vm, Identities(rivals), instance_type)


def _no_type(vm: VirtualMachine, field: str = "name") -> Obstacle:
    """Its instance type is not there, and is none that went and of which it keeps what it was given."""
    return Obstacle("InstanceTypeNotFound", {field: vm.spec.instance_type or ""})


async def _secret(api: ApiClient, vm: VirtualMachine) -> Obstacle | None:
    """A Secret that a start needs. Not asked for while the VM is stopped or runs already."""
    if vm.spec.power_state == "Stopped" or vm.status.runtime.domain == "Present":
        return None
    for path, name, key in secret_references(vm):
        try:
            secret = await api.get(SECRETS, name, vm.metadata.namespace)
        except NotFound:
            secret = {}
        if key not in (secret.get("data") or {}):
            return Obstacle("SecretNotFound", {"name": name, "key": key, "path": path})
    return None


def secret_references(vm: VirtualMachine) -> tuple[tuple[str, str, str], ...]:
    """The Secrets that its host reads for it: field, name and key."""
    references = []
    if vm.spec.cloud_init is not None and vm.spec.cloud_init.user_data_secret_ref is not None:
        reference = vm.spec.cloud_init.user_data_secret_ref
        references.append(("spec.cloudInit.userDataSecretRef", reference.name, reference.key))
    if vm.spec.sysprep is not None:
        secret = vm.spec.sysprep.secret_ref
        references.append(("spec.sysprep.secretRef", secret.name, secret.key))
    return tuple(references)


def standing_of(objects: Objects, vm: VirtualMachine, host: Host) -> Standing:
    """Where a VM stands that this host has."""
    labels = host_reading.implied_labels(host)
    return Standing(
        host=host.metadata.name,
        other_hosts=len(objects.list(Host)) - 1,
        local_disk=_local_disk(objects, vm),
        local_medium=_local_medium(objects, vm),
        selector_broken=not selects(vm.spec.placement.host_selector, labels),
        broken_affinity=broken_affinity(objects, vm, host),
        broken_anti_affinity=broken_anti_affinity(objects, vm, host),
    )


def _local_disk(objects: Objects, vm: VirtualMachine) -> str:
    views = volume_views(objects, vm)
    for wish in disk_wishes(vm):
        view = views.get(wish.wanted_name)
        if view is not None and not is_shared(objects, view.pool or str(view.spec.get("pool") or "")):
            return wish.name
    return ""


def _local_medium(objects: Objects, vm: VirtualMachine) -> str:
    for cdrom in vm.spec.cdroms:
        if not cdrom.image:
            continue
        image = objects.referred(Image, cdrom.image, vm.metadata.namespace or "")
        if image is not None and not is_shared(objects, image.spec.pool or ""):
            return cdrom.name
    return ""
