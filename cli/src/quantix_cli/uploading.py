"""Makes an image of a file: checks it first, sends it to the host that waits for it, shows the rate.

Used by `qx image upload`.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from quantix_api import resources
from quantix_cli import hostd
from quantix_cli.exits import CommandError, Exit
from quantix_cli.measures import duration, size
from quantix_cli.nouns import Manifest, condition, first_sentence, look
from quantix_cli.session import Session
from quantix_client.errors import NotFound

_CHUNK_BYTES = 1 << 20
_POLL_S = 0.3
# what comes about by itself in this time is not worth a line
_QUIET_S = 2.0


async def upload(session: Session, file: Path, name: str, spec: Manifest, *, wait: bool = True) -> str | None:
    """Declare the image with this spec if it is not there, send the file, wait until it is Ready; returns the
    sha256 sent, None where that was only shown.

    Raises CommandError when the file cannot be an image, the image has content already, or the host refuses.
    """
    refuse_backing_file(file)
    declared = await _declared(session, name, spec)
    if declared is None or session.showing.dry_run:
        return None
    refuse_other_content(declared)
    host = await _waiting_host(session, name)
    digest = hashlib.sha256()
    begun = time.monotonic()
    async with hostd.reach(session, host) as api:
        url = api.url(f"/v1/images/{session.namespace}/{name}/upload")
        headers = {"Content-Length": str(file.stat().st_size)}
        try:
            async with api.http.put(url, data=_chunks(session, file, digest), headers=headers) as response:
                if response.status >= 300:
                    raise await hostd.explain_refusal(response, host)
        except aiohttp.ClientError as error:
            raise hostd.unreachable(host, error) from error
    took = time.monotonic() - begun
    session.terminal.note(f"{name}: {size(file.stat().st_size)} sent in {duration(took)}.")
    if wait:
        await _until_ready(session, name)
    return digest.hexdigest()


def refuse_other_content(image: Manifest) -> None:
    """Raise CommandError (6) where this Image takes no file, or none any more."""
    name = image["metadata"]["name"]
    if condition(image).get("status") == "True":
        said = f"Image {name} has its content already; an image never changes."
    elif look(image, "spec.upload") is None:
        said = f"Image {name} is not made from a file that is sent."
    elif condition(image, "Stalled").get("status") == "True":
        said = f"Image {name} was refused: {first_sentence(str(condition(image).get('message', '')))}."
        raise CommandError(Exit.REFUSED, said, f"qx image delete {name}, or another --name")
    else:
        return
    raise CommandError(Exit.REFUSED, said, "another --name")


def refuse_backing_file(file: Path) -> None:
    """Raise CommandError (6) for an empty file and a qcow2 with a backing file: the host would, too."""
    with file.open("rb") as opened:
        head = opened.read(104)
    if not head:
        raise CommandError(Exit.REFUSED, f"{file} is empty.")
    if head[:4] == b"QFI\xfb" and int.from_bytes(head[8:16], "big"):
        raise CommandError(
            Exit.REFUSED,
            f"{file.name} names another file as its backing file, which could read the host's disk.",
            f"qemu-img convert -O qcow2 {file} OUT, upload OUT",
        )


async def _declared(session: Session, name: str, spec: Manifest) -> Manifest | None:
    try:
        return await session.api.get(resources.IMAGES, name, session.namespace)
    except NotFound:
        manifest = {
            "apiVersion": resources.IMAGES.api_version,
            "kind": "Image",
            "metadata": {"name": name, "namespace": session.namespace},
            "spec": spec,
        }
        return await session.write.create(resources.IMAGES, manifest)


async def _waiting_host(session: Session, name: str) -> str:
    """The host that will take the content, once one says that it waits for it."""
    begun, told = time.monotonic(), ""
    while True:
        image = await session.api.get(resources.IMAGES, name, session.namespace)
        refuse_other_content(image)
        ready, host = condition(image), look(image, "status.host")
        if host and ready.get("reason") == "WaitingForUpload":
            return str(host)
        said = first_sentence(str(ready.get("message", ""))) or "no host has taken it"
        if said != told and time.monotonic() - begun > _QUIET_S:
            told = said
            session.terminal.note(f"{name}: {said}.")
        if time.monotonic() - begun > session.timeout_s:
            raise CommandError(
                Exit.TIMED_OUT, f"No host takes image {name} yet: {said}.", f"qx image explain {name}"
            )
        await asyncio.sleep(_POLL_S)


async def _chunks(session: Session, file: Path, digest: hashlib._Hash) -> AsyncIterator[bytes]:
    total, sent, begun, told = file.stat().st_size, 0, time.monotonic(), time.monotonic()
    loop = asyncio.get_running_loop()
    with file.open("rb") as opened:
        while chunk := await loop.run_in_executor(None, opened.read, _CHUNK_BYTES):
            digest.update(chunk)
            yield chunk
            sent += len(chunk)
            if time.monotonic() - told > 2:
                told = time.monotonic()
                rate = sent / (told - begun)
                left = duration((total - sent) / rate)
                session.terminal.note(
                    f"{100 * sent // total} % {size(sent)} of {size(total)}  {size(int(rate))}/s, {left} left"
                )


async def _until_ready(session: Session, name: str) -> None:
    begun = time.monotonic()
    while True:
        image = await session.api.get(resources.IMAGES, name, session.namespace)
        ready = condition(image)
        if ready.get("status") == "True":
            return
        if condition(image, "Stalled").get("status") == "True":
            said = str(ready.get("message", ""))
            raise CommandError(
                Exit.REFUSED, first_sentence(said) + f" ({ready.get('reason')}).", said.partition(" Try: ")[2]
            )
        if time.monotonic() - begun > session.timeout_s:
            raise CommandError(Exit.TIMED_OUT, f"{name} is not ready yet.", f"qx image explain {name}")
        await asyncio.sleep(_POLL_S)
