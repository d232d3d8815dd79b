"""Makes an image or a volume of a file: checks it first, sends it to the host that waits for it, waits for
the verdict.

Used by `qx image upload` and `qx volume upload`.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from quantix_api import resources
from quantix_api.conditions import condition_of
from quantix_api.disk_image import (
    HEAD_BYTES,
    LIMIT_OF_IMAGE,
    LIMIT_OF_VOLUME,
    ImageFacts,
    ImageFormat,
    inspect_image,
)
from quantix_api.errors import PermanentError, QuantixError
from quantix_api.image import MAX_VIRTUAL_SIZE
from quantix_api.message_text import cause_of, hint_of
from quantix_api.quantities import format_size, size_bytes
from quantix_api.resources import Resource
from quantix_cli.beforehand import refuse_oversized
from quantix_cli.destinations import of_object, refuse_placeless
from quantix_cli.exits import CommandError, Exit
from quantix_cli.homes import refuse_going
from quantix_cli.left_behind import removal, stays
from quantix_cli.measures import duration, size
from quantix_cli.naming import reference
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.sending import Parcel, send
from quantix_cli.session import Session
from quantix_client.errors import NotFound

_POLL_S = 0.3
# what comes about by itself in this time is not worth a line
_QUIET_S = 2.0


@dataclass(frozen=True)
class Sent:
    """What was sent: its sha256, and the format that was found in the file."""

    digest: str
    format: ImageFormat


@dataclass(frozen=True)
class Product:
    """What a file becomes. `noun` is what is typed; `upload`, `form` and `most` are where the spec says that
    it is made of a file that is sent, of which format, and how large a disk that may describe; `limit` is
    what messages call the last. `once` says of one that has its file why it takes no other.
    """

    noun: str
    resource: Resource
    upload: str
    form: str
    most: str
    limit: str
    once: str

    @property
    def name(self) -> str:
        return self.resource.kind


IMAGE = Product(
    "image",
    resources.IMAGES,
    "spec.upload",
    "spec.format",
    "spec.maxVirtualSize",
    LIMIT_OF_IMAGE,
    "has its content already; an image never changes",
)
VOLUME = Product(
    "volume",
    resources.VOLUMES,
    "spec.source.upload",
    "spec.source.upload.format",
    "spec.size",
    LIMIT_OF_VOLUME,
    "has its data already; a file is sent once",
)


async def upload(
    session: Session, file: Path, name: str, spec: Manifest, *, product: Product = IMAGE, wait: bool = True
) -> Sent | None:
    """Declare the object with this spec if it is not there, send the file, wait until it is Ready; returns
    what was sent, None where that was only shown.

    Raises CommandError when the file cannot be a disk, the object has content already, or the host refuses.
    """
    declared = await _there(session, product, name)
    facts = refuse_unfit(file, declared["spec"] if declared else spec, product)
    if declared is None:
        if product is VOLUME:
            # so that the pool is asked for the room before anything is sent
            spec = {"size": format_size(facts.virtual_size_bytes)} | spec
        declared = await _declare(session, product, name, spec)
    elif user := other_login_user(declared, spec):
        named = reference(declared, "image", session.namespace)
        said = f"Who logs in to guests of it stays so: qx image set {named} --login-user {user}"
        session.terminal.note(session.terminal.plain(said))
    if declared is None or session.showing.dry_run:
        return None
    refuse_other_content(declared, product)
    begun = time.monotonic()
    path = f"/v1/{product.resource.plural}/{session.namespace}/{name}/upload"
    try:
        parcel = Parcel(file, name, path, lambda: _waiting_host(session, product, name), product.noun)
        digest = await send(session, parcel)
        took = time.monotonic() - begun
        session.terminal.note(f"{name}: {size(file.stat().st_size)} sent in {duration(took)}.")
    except asyncio.CancelledError as error:
        # nobody else goes on with it: what is said of work in the cluster would be wrong
        session.begun.instead = f"Stopped sending. {_left(session, product, declared, file, error)}"
        raise
    except (QuantixError, CommandError) as error:
        session.terminal.note(session.terminal.plain(_left(session, product, declared, file, error)))
        raise
    try:
        if wait:
            await _until_ready(session, product, name)
    except CommandError as error:
        if error.exit_code is Exit.REFUSED:
            session.terminal.note(session.terminal.plain(_left(session, product, declared, file, error)))
        raise
    return Sent(digest, facts.format)


def _left(session: Session, product: Product, made: Manifest, file: Path, error: BaseException) -> str:
    """What is still there after an upload that came to nothing, and what to do with it."""
    noun, shared = NOUNS[product.noun], made["metadata"]["namespace"] == resources.NAMESPACE_SHARED
    named = reference(made, product.noun, None if shared else session.namespace)
    if isinstance(error, CommandError) and error.exit_code is Exit.REFUSED:
        return f"{stays(noun, named)}; {removal(noun, named)}."
    again = f"qx {product.noun} upload {shlex.quote(str(file))} --name {named}"
    return f"{stays(noun, named)} without content: {again} goes on, {removal(noun, named)}."


def refuse_other_content(made: Manifest, product: Product = IMAGE) -> None:
    """Raise CommandError (6) where this object takes no file, or none any more."""
    name = f"{product.name} {made['metadata']['name']}"
    if look(made, product.upload) is None:
        said = f"{name} is not made from a file that is sent."
    elif condition_of(made).get("status") == "True" or look(made, "status.capacity"):
        said = f"{name} {product.once}."
    elif condition_of(made, "Stalled").get("status") == "True":
        said = f"{name} was refused: {cause_of(str(condition_of(made).get('message', '')))}."
        deletion = f"qx {product.noun} delete {made['metadata']['name']}, or another --name"
        raise CommandError(Exit.REFUSED, said, deletion)
    else:
        return
    raise CommandError(Exit.REFUSED, said, "another --name")


def other_login_user(image: Manifest, spec: Manifest) -> str:
    """The login user that `spec` wants of an Image that was declared before without it, else ""."""
    wanted = str(spec.get("loginUser") or "")
    return wanted if wanted != look(image, "spec.loginUser", "") else ""


def refuse_unfit(file: Path, spec: Manifest, product: Product = IMAGE) -> ImageFacts:
    """What the file is, by its beginning. Raise CommandError (6) for one that the host would refuse by that:
    nothing is sent then.
    """
    if not file.is_file():
        raise CommandError(Exit.REFUSED, f"{file.name} is no file.", "name the file of the disk itself")
    with file.open("rb") as opened:
        head = opened.read(HEAD_BYTES)
    wanted = {"spec": spec}
    most = size_bytes(str(look(wanted, product.most) or MAX_VIRTUAL_SIZE))
    form = str(look(wanted, product.form) or "Auto")
    try:
        return inspect_image(head, file.stat().st_size, form, most, product.limit)
    except PermanentError as error:
        raise CommandError(Exit.REFUSED, f"{file.name}: {error.message}", error.hint) from error


async def _there(session: Session, product: Product, name: str) -> Manifest | None:
    try:
        return await session.api.get(product.resource, name, session.namespace)
    except NotFound:
        return None


async def _declare(session: Session, product: Product, name: str, spec: Manifest) -> Manifest | None:
    manifest = {
        "apiVersion": product.resource.api_version,
        "kind": product.name,
        "metadata": {"name": name, "namespace": session.namespace},
        "spec": spec,
    }
    await refuse_going(session, session.namespace)
    await refuse_placeless(session, [of_object(manifest)], "--pool POOL" if product is VOLUME else "")
    await refuse_oversized(session, [spec] if product is VOLUME else [])
    return await session.write.create(product.resource, manifest)


async def _waiting_host(session: Session, product: Product, name: str) -> str:
    """The host that will take the content, once one says that it waits for it."""
    begun, told = time.monotonic(), ""
    while True:
        made = await session.api.get(product.resource, name, session.namespace)
        refuse_other_content(made, product)
        ready, host = condition_of(made), look(made, "status.host")
        if host and ready.get("reason") == "WaitingForUpload":
            return str(host)
        said = cause_of(str(ready.get("message", ""))) or "no host has taken it"
        if said != told and time.monotonic() - begun > _QUIET_S:
            told = said
            session.terminal.note(session.terminal.plain(f"{name}: {said}."))
        if time.monotonic() - begun > session.timeout_s:
            raise CommandError(
                Exit.TIMED_OUT,
                f"No host takes {product.noun} {name} yet: {said}.",
                f"qx {product.noun} explain {name}",
            )
        await asyncio.sleep(_POLL_S)


async def _until_ready(session: Session, product: Product, name: str) -> None:
    begun = time.monotonic()
    while True:
        made = await session.api.get(product.resource, name, session.namespace)
        ready = condition_of(made)
        if ready.get("status") == "True":
            return
        if condition_of(made, "Stalled").get("status") == "True":
            said = str(ready.get("message", ""))
            refused = f"{cause_of(said)} ({ready.get('reason')})."
            raise CommandError(Exit.REFUSED, refused, hint_of(said))
        if time.monotonic() - begun > session.timeout_s:
            raise CommandError(
                Exit.TIMED_OUT, f"{name} is not ready yet.", f"qx {product.noun} explain {name}"
            )
        await asyncio.sleep(_POLL_S)
