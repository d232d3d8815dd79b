"""Step "start the control plane": the API answers, knows our kinds, and holds the defaults."""

from __future__ import annotations

import os
import uuid

from quantix_api import resources
from quantix_api.errors import PermanentError, QuantixError, TransientError
from quantix_api.resources import (
    CLUSTER_CONFIG_MAP,
    NAMESPACE_HOSTS,
    NAMESPACE_SHARED,
    NAMESPACE_SYSTEM,
)
from quantix_cli import directories
from quantix_cli.supervision.table import CONTROL_PLANE
from quantix_cli.up.links import ensure_links, foreign_kubectl
from quantix_cli.up.run.progress import Activity
from quantix_cli.up.run.runner import now_s
from quantix_cli.up.run.steps import Outcome
from quantix_cli.up.start import defaults
from quantix_cli.up.start.declaring import declare
from quantix_cli.up.start.defaults import Default
from quantix_cli.up.start.foreign_kubectl import misfit
from quantix_cli.up.start.manifests import ensure_manifests, ensure_namespace
from quantix_cli.up.start.site import Site
from quantix_cli.up.start.subnets import GUEST_SUBNETS, OUTSIDE_SUBNETS, choose_subnet, used_networks
from quantix_cli.up.start.waiting import until
from quantix_client.api import ApiClient
from quantix_client.errors import NotFound

API_TIMEOUT_S = 60.0
# one that is not there after this time has ended again and again, and will not come up by itself
PATIENCE_S = 6.0


async def start_control_plane(site: Site, activity: Activity) -> Outcome:
    """Start it (or reach the user's cluster), and put into it what is missing."""
    touched: list[str] = []
    if site.installation.controlplane is not None:
        touched = site.supervisor.ensure(site.services(CONTROL_PLANE))
    activity.say("waiting until the API answers")
    client = await _reach(site)
    site.client = client
    kinds, sent = await ensure_manifests(client, activity.say)
    made = await ensure_defaults(site, activity)
    links = ensure_links(site.settings, site.installation.controlplane)
    unfit = await _unfit_kubectl(site)
    told = f"{client.access.server}, {kinds} kinds defined{f'; {unfit}' if unfit else ''}"
    return Outcome(told, changed=bool(touched or links or made) or sent, warns=bool(unfit))


async def _unfit_kubectl(site: Site) -> str:
    """What is to be said of a kubectl that is found in the place of ours; "" for nothing."""
    foreign, controlplane = foreign_kubectl(site.settings), site.installation.controlplane
    if foreign is None or controlplane is None or not site.settings.is_machines_own:
        return ""
    return await misfit(foreign, controlplane, site.log)


async def _reach(site: Site) -> ApiClient:
    kubeconfig = site.settings.admin_kubeconfig
    began_s = now_s()

    async def look() -> ApiClient | None:
        if not kubeconfig.exists():
            _raise_if_dead(site, began_s)
            return None
        client = await ApiClient.from_kubeconfig(kubeconfig, user_agent="qx-up").__aenter__()
        try:
            await client.list(resources.NAMESPACES, limit=1)
        except BaseException as error:
            # Ctrl-C, too
            await client.__aexit__(None, None, None)
            if isinstance(error, QuantixError):
                _raise_if_dead(site, began_s)
            raise
        return client

    async def give_up() -> QuantixError:
        message = f"The API of {kubeconfig} did not answer within {API_TIMEOUT_S:.0f} s"
        said = site.last_words(CONTROL_PLANE)
        return TransientError("ApiSilent", f"{message}{f': {said}' if said else '.'}", "make up again")

    return await until(look, API_TIMEOUT_S, give_up)


def _raise_if_dead(site: Site, began_s: float) -> None:
    """Say why the control plane ended, instead of waiting for one that cannot start."""
    if site.installation.controlplane is None or now_s() - began_s < PATIENCE_S:
        return
    if not site.supervisor.observe(site.services(CONTROL_PLANE))[CONTROL_PLANE].pid:
        sentence = site.last_words(CONTROL_PLANE) or "The control plane ends without a word."
        raise PermanentError("ControlPlaneFailed", sentence)


async def ensure_defaults(site: Site, activity: Activity) -> bool:
    """Create what a new installation needs and is not there; whether anything was created."""
    client = site.api
    for namespace in (NAMESPACE_SYSTEM, NAMESPACE_HOSTS, NAMESPACE_SHARED, "default"):
        await ensure_namespace(client, namespace)
    await _ensure_cluster_uid(client)
    layout = site.settings.layout
    directories.ensure(directories.with_parents(layout, layout.local_pool))
    made = False
    for default in defaults.basics(layout.local_pool):
        made |= await _ensure(client, default, activity)
    used = None
    for candidates, render in (
        (GUEST_SUBNETS, defaults.guest_network),
        (OUTSIDE_SUBNETS, defaults.outside_network),
    ):
        if not await _exists(client, render(candidates[0])):
            used = used_networks() if used is None else used
            made |= await _ensure(client, render(choose_subnet(candidates, used)), activity)
    return await _ensure(client, defaults.router(), activity) or made


async def _exists(client: ApiClient, default: Default) -> bool:
    try:
        await client.get(default.resource, default.name, default.namespace)
    except NotFound:
        return False
    return True


async def _ensure(client: ApiClient, default: Default, activity: Activity) -> bool:
    if await _exists(client, default):
        return False
    await declare(client, default.resource, default.manifest, activity.say)
    return True


async def _ensure_cluster_uid(client: ApiClient) -> None:
    """The name of this cluster among all: what identifiers outside the API are derived from. Made once."""
    try:
        await client.get(resources.CONFIG_MAPS, CLUSTER_CONFIG_MAP, NAMESPACE_SYSTEM)
    except NotFound:
        manifest = {
            "metadata": {"name": CLUSTER_CONFIG_MAP, "namespace": NAMESPACE_SYSTEM},
            "data": {"uid": str(uuid.UUID(bytes=os.urandom(16), version=4))},
        }
        await client.create(resources.CONFIG_MAPS, manifest)
