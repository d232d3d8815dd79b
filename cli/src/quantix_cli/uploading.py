"""Makes an image of a file: checks it first, sends it to the host that waits for it, waits for the verdict.

Used by `qx image upload`.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from pathlib import Path

from quantix_api import resources
from quantix_api.conditions import condition_of
from quantix_api.disk_image import HEAD_BYTES, inspect_image
from quantix_api.errors import PermanentError, QuantixError
from quantix_api.image import MAX_VIRTUAL_SIZE
from quantix_api.message_text import cause_of, hint_of
from quantix_api.quantities import size_bytes
from quantix_cli.beforehand import refuse_poolless
from quantix_cli.exits import CommandError, Exit
from quantix_cli.measures import duration, size
from quantix_cli.naming import reference
from quantix_cli.nouns import Manifest, look
from quantix_cli.sending import Parcel, send
from quantix_cli.session import Session
from quantix_client.errors import NotFound

_POLL_S = 0.3
# what comes about by itself in this time is not worth a line
_QUIET_S = 2.0


async def upload(session: Session, file: Path, name: str, spec: Manifest, *, wait: bool = True) -> str | None:
    """Declare the image with this spec if it is not there, send the file, wait until it is Ready; returns the
    sha256 sent, None where that was only shown.

    Raises CommandError when the file cannot be an image, the image has content already, or the host refuses.
    """
    declared = await _there(session, name)
    refuse_unfit(file, declared["spec"] if declared else spec)
    if declared is None:
        declared = await _declare(session, name, spec)
    elif user := other_login_user(declared, spec):
        named = reference(declared, "image", session.namespace)
        said = f"Who logs in to guests of it stays so: qx image set {named} --login-user {user}"
        session.terminal.note(session.terminal.plain(said))
    if declared is None or session.showing.dry_run:
        return None
    refuse_other_content(declared)
    begun = time.monotonic()
    path = f"/v1/images/{session.namespace}/{name}/upload"
    try:
        digest = await send(session, Parcel(file, name, path, lambda: _waiting_host(session, name)))
        took = time.monotonic() - begun
        session.terminal.note(f"{name}: {size(file.stat().st_size)} sent in {duration(took)}.")
    except (QuantixError, CommandError, asyncio.CancelledError) as error:
        session.terminal.note(session.terminal.plain(_left(session, declared, file, error)))
        raise
    try:
        if wait:
            await _until_ready(session, name)
    except CommandError as error:
        if error.exit_code is Exit.REFUSED:
            session.terminal.note(session.terminal.plain(_left(session, declared, file, error)))
        raise
    return digest


def _left(session: Session, image: Manifest, file: Path, error: BaseException) -> str:
    """What is still there after an upload that came to nothing, and what to do with it."""
    shared = image["metadata"]["namespace"] == resources.NAMESPACE_SHARED
    named = reference(image, "image", None if shared else session.namespace)
    away = f"qx image delete {named} removes it"
    if isinstance(error, CommandError) and error.exit_code is Exit.REFUSED:
        return f"Image {named} stays; {away}."
    again = f"qx image upload {shlex.quote(str(file))} --name {named}"
    return f"Image {named} stays without content: {again} goes on, {away}."


def refuse_other_content(image: Manifest) -> None:
    """Raise CommandError (6) where this Image takes no file, or none any more."""
    name = image["metadata"]["name"]
    if condition_of(image).get("status") == "True":
        said = f"Image {name} has its content already; an image never changes."
    elif look(image, "spec.upload") is None:
        said = f"Image {name} is not made from a file that is sent."
    elif condition_of(image, "Stalled").get("status") == "True":
        said = f"Image {name} was refused: {cause_of(str(condition_of(image).get('message', '')))}."
        raise CommandError(Exit.REFUSED, said, f"qx image delete {name}, or another --name")
    else:
        return
    raise CommandError(Exit.REFUSED, said, "another --name")


def other_login_user(image: Manifest, spec: Manifest) -> str:
    """The login user that `spec` wants of an Image that was declared before without it, else ""."""
    wanted = str(spec.get("loginUser") or "")
    return wanted if wanted != look(image, "spec.loginUser", "") else ""


def refuse_unfit(file: Path, spec: Manifest) -> None:
    """Raise CommandError (6) for a file that the host would refuse by its beginning: nothing is sent then."""
    if not file.is_file():
        raise CommandError(Exit.REFUSED, f"{file.name} is no file.", "name the image's file itself")
    with file.open("rb") as opened:
        head = opened.read(HEAD_BYTES)
    most = size_bytes(str(spec.get("maxVirtualSize") or MAX_VIRTUAL_SIZE))
    try:
        inspect_image(head, file.stat().st_size, str(spec.get("format") or "Auto"), most)
    except PermanentError as error:
        raise CommandError(Exit.REFUSED, f"{file.name}: {error.message}", error.hint) from error


async def _there(session: Session, name: str) -> Manifest | None:
    try:
        return await session.api.get(resources.IMAGES, name, session.namespace)
    except NotFound:
        return None


async def _declare(session: Session, name: str, spec: Manifest) -> Manifest | None:
    manifest = {
        "apiVersion": resources.IMAGES.api_version,
        "kind": "Image",
        "metadata": {"name": name, "namespace": session.namespace},
        "spec": spec,
    }
    await refuse_poolless(session, manifest)
    return await session.write.create(resources.IMAGES, manifest)


async def _waiting_host(session: Session, name: str) -> str:
    """The host that will take the content, once one says that it waits for it."""
    begun, told = time.monotonic(), ""
    while True:
        image = await session.api.get(resources.IMAGES, name, session.namespace)
        refuse_other_content(image)
        ready, host = condition_of(image), look(image, "status.host")
        if host and ready.get("reason") == "WaitingForUpload":
            return str(host)
        said = cause_of(str(ready.get("message", ""))) or "no host has taken it"
        if said != told and time.monotonic() - begun > _QUIET_S:
            told = said
            session.terminal.note(session.terminal.plain(f"{name}: {said}."))
        if time.monotonic() - begun > session.timeout_s:
            raise CommandError(
                Exit.TIMED_OUT, f"No host takes image {name} yet: {said}.", f"qx image explain {name}"
            )
        await asyncio.sleep(_POLL_S)


async def _until_ready(session: Session, name: str) -> None:
    begun = time.monotonic()
    while True:
        image = await session.api.get(resources.IMAGES, name, session.namespace)
        ready = condition_of(image)
        if ready.get("status") == "True":
            return
        if condition_of(image, "Stalled").get("status") == "True":
            said = str(ready.get("message", ""))
            refused = f"{cause_of(said)} ({ready.get('reason')})."
            raise CommandError(Exit.REFUSED, refused, hint_of(said))
        if time.monotonic() - begun > session.timeout_s:
            raise CommandError(Exit.TIMED_OUT, f"{name} is not ready yet.", f"qx image explain {name}")
        await asyncio.sleep(_POLL_S)
