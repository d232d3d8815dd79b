"""Builds what comes from source: the control plane (Go) and the guest image. Standard library only."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from quantix_api.errors import PermanentError, TransientError
from quantix_cli.guestimage.build import ensure_image
from quantix_cli.up.prepare.packages import explain_failure, is_mirror_silent
from quantix_cli.up.run.programs import run
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.settings import UpSettings


async def ensure_control_plane(settings: UpSettings, log: UpLog, say: Callable[[str], None]) -> Path:
    """The built binary; about 6 min on two cores the first time, 0.1 s when it is in the cache.

    Raises PermanentError when Go is missing or the build fails, TransientError when a module does not come.
    """
    environment = {"QUANTIX_CACHE": str(settings.cache)}
    if shutil.which("go") is None:
        fallback = Path("/usr/local/go/bin")
        if not (fallback / "go").exists():
            raise PermanentError(
                "GoMissing", "Go is not installed; the control plane is built with it.", "https://go.dev/dl"
            )
        environment["PATH"] = f"{fallback}:{settings.search_path}"
    # go needs a home for its caches, which sudo and CI may have taken away
    environment["HOME"] = str(settings.home or "/root")
    done = await run(
        [str(settings.checkout / "controlplane/build.sh")], log, say=say, environment=environment
    )
    if done.code == 0 and done.output:
        return Path(done.output[-1])
    if is_mirror_silent(done.said):
        raise TransientError(
            "MirrorSilent", "The Go module proxy did not answer.", "check the network, then make up again"
        )
    raise PermanentError(
        "BuildFailed", f"The control plane could not be built: {done.last}.", "make up again"
    )


async def ensure_guest_image(settings: UpSettings) -> Path:
    """The guest image; about 10 s the first time.

    Raises PermanentError `GuestImageFailed`, TransientError when the mirror does not answer.
    """
    try:
        return await asyncio.to_thread(ensure_image, settings.cache)
    except PermanentError as error:
        if is_mirror_silent([error.message]):
            raise explain_failure([error.message]) from error
        raise
