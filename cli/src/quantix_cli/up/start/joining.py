"""Step "join this machine as host": network and hostd run, and the Host says that it is Ready; with the
operator on the machine that has the control plane.
"""

from __future__ import annotations

from quantix_api import resources
from quantix_api.conditions import condition_of
from quantix_api.errors import QuantixError, TransientError
from quantix_cli.supervision.table import HOSTD, OPERATOR
from quantix_cli.up.run.progress import Activity
from quantix_cli.up.run.steps import Outcome
from quantix_cli.up.start import credentials, network_databases
from quantix_cli.up.start.opening import ensure_open
from quantix_cli.up.start.site import Site
from quantix_cli.up.start.waiting import is_ready, until, why_not_ready
from quantix_client.api import ApiClient
from quantix_client.errors import NotFound

HOST_TIMEOUT_S = 90.0


async def join_host(site: Site, activity: Activity) -> Outcome:
    """Start everything but the control plane and wait for the Host. Raises TransientError with its reason."""
    touched = await _start_databases(site, activity)
    await _give_credentials(site)
    activity.say("starting network, libvirt, operator and hostd")
    touched |= bool(site.supervisor.ensure(site.services()))
    await _wait_for_host(site, activity)
    if site.settings.place is not None:
        touched |= await ensure_open(site, site.settings.place.address, activity)
    return Outcome("network, operator and hostd run", changed=touched)


async def join_member(site: Site, activity: Activity) -> Outcome:
    """The same on a machine whose control plane is another one's: with the certificate that hostd asks for.
    Afterwards `site.client` speaks to the API as this host. Raises TransientError with its reason.
    """
    touched = await _start_databases(site, activity)
    activity.say("starting network, libvirt and hostd")
    touched |= bool(site.supervisor.ensure(site.services()))
    site.client = await _as_host(site, activity)
    await _wait_for_host(site, activity)
    return Outcome("network, libvirt and hostd run", changed=touched)


async def _start_databases(site: Site, activity: Activity) -> bool:
    """Whether any was to be started."""
    stores = site.services(*network_databases.SERVICES)
    running = [name for name, state in site.supervisor.observe(stores).items() if state.pid]
    await network_databases.ensure_files(site.installation, site.log, running)
    activity.say("starting the databases of the network")
    touched = site.supervisor.ensure(stores)
    await network_databases.initialize(site.installation, site.log)
    await network_databases.claim_switch(site.installation, site.log)
    return bool(touched)


async def _give_credentials(site: Site) -> None:
    layout, admin = site.settings.layout, site.settings.admin_kubeconfig
    if site.settings.kubeconfig is not None and not layout.operator_kubeconfig.exists():
        await credentials.give_operator_token(site.api, admin, layout.operator_kubeconfig)
    if not layout.hostd_kubeconfig.exists():
        name = site.settings.host_name
        await credentials.drop_requests(site.api, name)
        await credentials.give_bootstrap_token(site.api, admin, layout.bootstrap_kubeconfig, name)


async def _as_host(site: Site, activity: Activity) -> ApiClient:
    """The way into the API that hostd has, as soon as it has one."""
    kubeconfig = site.settings.layout.hostd_kubeconfig

    async def look() -> ApiClient | None:
        if not kubeconfig.exists():
            activity.say("waiting until the cluster has signed this machine's certificate")
            return None
        return await ApiClient.from_kubeconfig(kubeconfig, user_agent="qx-join").__aenter__()

    async def give_up() -> QuantixError:
        said = site.last_words(HOSTD) or "hostd says nothing."
        within = f"This machine had no certificate within {HOST_TIMEOUT_S:.0f} s"
        return TransientError("NotJoined", f"{within}: {said}", "qx host add once more on the first machine")

    return await until(look, HOST_TIMEOUT_S, give_up)


async def _wait_for_host(site: Site, activity: Activity) -> None:
    name = site.settings.host_name
    latest: dict[str, object] = {}

    async def look() -> bool | None:
        nonlocal latest
        try:
            latest = await site.api.get(resources.HOSTS, name)
        except NotFound:
            activity.say("waiting for hostd to register this machine")
            return None
        if is_ready(latest):
            return True
        activity.say(why_not_ready(latest))
        return None

    async def give_up() -> QuantixError:
        within = f"Host {name} was not Ready within {HOST_TIMEOUT_S:.0f} s"
        if latest:
            return TransientError(
                "HostNotReady", f"{within}: {why_not_ready(latest)}", f"qx host explain {name}"
            )
        said = site.last_words(HOSTD) or site.last_words(OPERATOR) or "hostd says nothing."
        return TransientError("HostNotReady", f"{within}: {said}", "make up again")

    await until(look, HOST_TIMEOUT_S, give_up)
    kvm = condition_of(latest, "KVMAvailable")
    if kvm.get("status") == "False":
        site.log.write(f"KVM: {kvm.get('message')}")
