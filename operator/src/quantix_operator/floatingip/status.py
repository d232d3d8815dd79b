"""What a FloatingIP says of itself. Pure; called by the controller."""

from __future__ import annotations

from quantix_api import FloatingIP, FloatingIPStatus
from quantix_api.facts import Fact, fact
from quantix_client.api import Manifest
from quantix_operator.floatingip.plan import Attachment, Outcome


def ready_of(floating_ip: FloatingIP, outcome: Outcome) -> Fact:
    """Ready once all that was planned is in force."""
    if outcome.problem is not None:
        return outcome.problem
    address = outcome.held.addresses[0] if outcome.held is not None else ""
    if outcome.attachment is None:
        return fact("Ready", "True", "Allocated", address=address, name=floating_ip.metadata.name)
    vm = floating_ip.spec.virtual_machine
    return fact("Ready", "True", "Attached", address=address, nic=outcome.attachment.nic, vm=vm)


def leads_to(attachment: Attachment | None) -> Manifest:
    """Where it leads, as fields of status."""
    if attachment is None:
        return {}
    translation = attachment.translation
    return {
        "mode": "Centralized" if translation.port is None else "Distributed",
        "nic": attachment.nic,
        "nicAddress": translation.inside,
        "router": attachment.router,
    }


def led_to(status: FloatingIPStatus) -> Manifest:
    """Where it led when that was written last: so it is until a change of it is in force."""
    fields = {
        "mode": status.mode,
        "nic": status.nic,
        "nicAddress": status.nic_address,
        "router": status.router,
    }
    return {name: value for name, value in fields.items() if value is not None}
