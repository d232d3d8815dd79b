"""Step "let HOST in": a token for exactly this host, in the word with which it joins."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from quantix_api import resources
from quantix_api.errors import PermanentError
from quantix_cli.joining_word import JoiningWord
from quantix_cli.place import Place, in_url, southbound_at
from quantix_cli.up.run.progress import Activity
from quantix_cli.up.start import credentials
from quantix_cli.up.start.site import Site
from quantix_client.errors import NotFound
from quantix_client.kubeconfig import Access


async def admit(site: Site, host: str, place: Place, activity: Activity) -> JoiningWord:
    """The word for `host`. Raises PermanentError where there is such a host, or other machines cannot reach
    the API.
    """
    await _refuse_known(site, host)
    access = site.api.access
    server = server_for_others(access, place, is_own=site.settings.kubeconfig is None)
    activity.say("making a token")
    await credentials.drop_requests(site.api, host)
    await credentials.drop_tokens(site.api, host)
    token = await credentials.make_bootstrap_token(site.api, host, credentials.ADMITTED_LIFE)
    return JoiningWord(
        server=server,
        authority_pem=access.ca_pem or "",
        host=host,
        southbound=southbound_at(place.address),
        token=token,
    )


def server_for_others(access: Access, place: Place, *, is_own: bool) -> str:
    """The API's URL as other machines reach it; `is_own`: it runs on this one. Pure.

    Raises PermanentError (ApiNotReachable).
    """
    url = urlsplit(access.server)
    if is_own:
        return f"https://{in_url(place.address)}:{url.port}"
    if _is_loopback(url.hostname or ""):
        raise PermanentError(
            "ApiNotReachable",
            f"The kubeconfig of your cluster names {access.server}, which other machines do not reach.",
            "QUANTIX_KUBECONFIG=FILE with an address that all hosts reach, then make up again",
        )
    return access.server


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


async def _refuse_known(site: Site, host: str) -> None:
    try:
        await site.api.get(resources.HOSTS, host)
    except NotFound:
        return
    raise PermanentError(
        "HostExists",
        f"There is a host {host} already.",
        f"another name, or kubectl delete host {host} where that machine is gone for good",
    )
