"""What a machine does with the word that it was given: look whether it holds, then keep what it says."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from quantix_api.errors import PermanentError
from quantix_api.layout import Layout
from quantix_cli.joining_word import JoiningWord
from quantix_cli.place import Place, keep_place
from quantix_cli.whole_file import write_whole
from quantix_client.api import ApiClient
from quantix_client.errors import ApiError, Unauthorized, Unreachable
from quantix_client.kubeconfig import Access, load, render

_FORBIDDEN = 403
_ONCE_MORE = "qx host add once more on the first machine"


def refuse_other_place(layout: Layout, place: Place | None, word: JoiningWord, host_name: str | None) -> None:
    """Raise PermanentError where this machine has a cluster of its own, or is a member of another one, or is
    called otherwise than it was let in.
    """
    if host_name and host_name != word.host:
        raise PermanentError(
            "OtherHost",
            f"The word is for {word.host}, and this machine is to be {host_name}.",
            f"qx host add {host_name} --print on the first machine",
        )
    if layout.admin_kubeconfig.exists() or layout.control_plane_data.exists():
        raise PermanentError(
            "OwnCluster",
            "This machine has a cluster of its own, whose VMs would be lost.",
            "make clean removes it with all its data; then the same again",
        )
    if place is not None and (place.southbound, place.host) != (word.southbound, word.host):
        raise PermanentError(
            "OtherCluster",
            f"This machine is host {place.host} of the cluster whose network is at {place.southbound}.",
            "make clean takes it out of that one; then the same again",
        )


def api_address(word: JoiningWord) -> str:
    """The API's address, to which this machine must have a way. Raises PermanentError (WordRefused)."""
    name = urlsplit(word.server).hostname
    if not name:
        raise PermanentError("WordRefused", f"The word names {word.server!r} as the API.", _ONCE_MORE)
    return name


async def keep_word(layout: Layout, word: JoiningWord, address: str) -> None:
    """Ask the API whether the token still holds; then write down the way in, and this machine's place.

    Raises PermanentError for a word that is of no use, TransientError while the API does not answer.
    """
    if not _is_joined(layout):
        access = Access(server=word.server, ca_pem=word.authority_pem, token=word.token)
        write_whole(layout.bootstrap_kubeconfig, render(access, f"host-{word.host}"))
        try:
            await _ask(layout.bootstrap_kubeconfig, word)
        except BaseException:
            layout.bootstrap_kubeconfig.unlink()
            raise
    keep_place(layout.place, Place(address, word.host, word.southbound))


def _is_joined(layout: Layout) -> bool:
    """Whether hostd has its certificate already: then the token is used up."""
    return layout.hostd_kubeconfig.exists() and bool(load(layout.hostd_kubeconfig).certificate_pem)


async def _ask(kubeconfig: Path, word: JoiningWord) -> None:
    async with ApiClient.from_kubeconfig(kubeconfig, user_agent="qx-join") as api:
        try:
            await api.request("GET", "/version")
        except Unauthorized as error:
            raise PermanentError(
                "WordSpent", f"The word is more than an hour old, or {word.host} has joined.", _ONCE_MORE
            ) from error
        except Unreachable as error:
            why = error.cause or error.message
            raise PermanentError(
                "ApiUnreachable",
                f"The API at {word.server} cannot be reached from here: {why}.",
                "open that port between the machines, or --address there; then the same again",
            ) from error
        except ApiError as error:
            if error.code != _FORBIDDEN:
                raise
