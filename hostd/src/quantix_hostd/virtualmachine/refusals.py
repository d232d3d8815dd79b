"""What of spec this host cannot do for a guest, each as ConfigRefused.

Asked by `observe`: it keeps a guest from starting, and one that runs goes on, with the rest of spec.
"""

from __future__ import annotations

from quantix_api import VirtualMachine
from quantix_api.compute import granted_compute
from quantix_api.errors import PermanentError
from quantix_api.messages import as_error
from quantix_api.quantities import size_bytes
from quantix_hostd.clients.time_zones import require_time_zone
from quantix_hostd.domainxml.render import render_domain
from quantix_hostd.domainxml.spec import DomainSpec
from quantix_hostd.virtualmachine.desired import HostFacts


def refused(vm: VirtualMachine, facts: HostFacts, *, runs: bool) -> PermanentError | None:
    """What a domain would be made without, though spec says it. Raises it unless the guest runs. Blocks
    briefly.
    """
    error = _of_size(vm, facts)
    try:
        require_time_zone(vm.spec.clock.timezone, facts.name)
    except PermanentError as no_zone:
        error = error or no_zone
    if error is not None and not runs:
        raise error
    return error


def unfit(wanted: DomainSpec | None) -> PermanentError | None:
    """Why no domain can be made of it on this host; None where one can, and of nothing."""
    try:
        if wanted is not None:
            render_domain(wanted)
    except PermanentError as error:
        return error
    return None


def _of_size(vm: VirtualMachine, facts: HostFacts) -> PermanentError | None:
    compute, resolved = granted_compute(vm), vm.status.resolved
    if compute.limit and not facts.cpu_controller:
        return as_error(PermanentError, "ConfigRefused", field="spec.cpu.limit", host=facts.name)
    size, page = resolved.memory if resolved else None, compute.hugepages
    if size and page and size_bytes(size) % size_bytes(page):
        return as_error(PermanentError, "ConfigRefused", size=size, page=page)
    return None
