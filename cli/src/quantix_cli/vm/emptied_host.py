"""That the host of a VM is being emptied, and what keeps the VM there: for `qx vm explain`."""

from __future__ import annotations

from contextlib import suppress

from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of, within
from quantix_api.resources import HOSTS
from quantix_cli.nouns import Manifest, look
from quantix_cli.session import Session
from quantix_client.errors import ApiError

_KEY = "emptiedHost"


async def with_emptied_host(session: Session, vm: Manifest) -> Manifest:
    """The VM with its host, where that is in maintenance and the account may see it."""
    name = look(vm, "status.assignment.host")
    if not name:
        return vm
    with suppress(ApiError):
        host = await session.api.get(HOSTS, name)
        return vm | {_KEY: host} if look(host, "spec.maintenance") else vm
    return vm


def emptied_facts(vm: Manifest) -> list[tuple[str, str]]:
    """`drain  host h1 is being emptied, and waits for it: …`. Pure."""
    host = vm.get(_KEY)
    if host is None:
        return []
    told = f"host {host['metadata']['name']} is being emptied"
    why = "" if look(vm, "status.migration") else _stays(vm, host)
    return [("drain", f"{told}, and waits for it: {why}" if why else told)]


def _stays(vm: Manifest, host: Manifest) -> str:
    """What keeps it there: by its own word, else by the host's, which names one VM; "" for nothing known."""
    migratable = condition_of(vm, "Migratable")
    if migratable.get("status") == "False":
        return f"{within(cause_of(str(migratable.get('message', ''))))} ({migratable.get('reason')})"
    begins = f"{vm['metadata']['name']} does not leave it: "
    said = cause_of(str(condition_of(host, "Drained").get("message", "")))
    return within(said.removeprefix(begins)) if said.startswith(begins) else ""
