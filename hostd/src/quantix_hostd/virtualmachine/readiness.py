"""Asks a guest's TCP port where spec.readiness names one: once in a look, after all that was to be done.

Called by the reconciler. A port behind a closed security group costs a second for each question, which must
hold up no restart.
"""

from __future__ import annotations

from dataclasses import replace

from quantix_hostd.clients.tcp_probe import answers_on_tcp
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.steps import Plan
from quantix_hostd.virtualmachine.tools import VmTools


async def with_answer(tools: VmTools, observed: Observed, plan: Plan) -> Observed:
    """The same look, with whether the guest answers. One that is being ended, or names no port, is not
    asked.
    """
    vm = observed.vm
    port = vm.spec.readiness.tcp_port if vm and vm.spec.readiness else None
    if vm is None or port is None or not observed.is_mine:
        return observed
    if observed.live is None or plan.record.stop is not None:
        return observed
    addresses = [address for nic in vm.status.nics for address in nic.addresses]
    answers = bool(addresses) and await answers_on_tcp(addresses[0], port, tools.leg)
    return replace(observed, guest_answers=answers)
