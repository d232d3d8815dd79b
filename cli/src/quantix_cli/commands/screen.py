"""`qx vm screenshot` and `qx vm view`: what a guest shows."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import Verb
from quantix_cli.measures import size
from quantix_cli.naming import parse_name
from quantix_cli.options import Invocation, common_options
from quantix_cli.session import Session

# viewers and how each is told a port of this machine
_VIEWERS = (("remote-viewer", "vnc://127.0.0.1:{port}"), ("vncviewer", "127.0.0.1::{port}"))


def screenshot_command(_: str) -> click.Command:
    """The command `qx vm screenshot NAME [FILE]`."""

    @click.command(
        "screenshot",
        cls=Verb,
        short_help="a picture of what the guest shows, as PNG",
        examples=("qx vm screenshot web-1", "qx vm screenshot web-1 - > web-1.png"),
    )
    @click.argument("name")
    @click.argument("file", default="")
    @common_options
    def command(invocation: Invocation, name: str, file: str) -> None:
        """Keep a picture of what the guest shows, as PNG, in NAME.png or FILE; - is stdout."""
        from quantix_cli.screens import picture  # loads aiohttp

        word = parse_name(name, "vm").name
        if file == "-" and sys.stdout.isatty():
            raise CommandError(Exit.USAGE, "A terminal shows no picture.", "the name of a file, or > FILE")

        async def act(session: Session) -> bytes:
            return await picture(session, word)

        data = invocation.run(act)
        if file == "-":
            sys.stdout.buffer.write(data)
            return
        target = Path(file or f"{word}.png")
        try:
            target.write_bytes(data)
        except OSError as error:
            raise CommandError(Exit.FAILED, f"{target} cannot be written: {error.strerror}.") from error
        invocation.terminal.out(str(target))
        invocation.terminal.note(f"{word}: {size(len(data))}.")

    return command


def view_command(_: str) -> click.Command:
    """The command `qx vm view NAME`."""

    @click.command(
        "view",
        cls=Verb,
        short_help="the guest's screen in a VNC viewer",
        examples=("qx vm view web-1", "qx vm view web-1 --port 5901"),
    )
    @click.argument("name")
    @click.option(
        "--port", type=click.IntRange(1, 65535), help="Start no viewer: offer the screen at this port."
    )
    @common_options
    def command(invocation: Invocation, name: str, port: int | None) -> int:
        """Show the guest's screen in remote-viewer or vncviewer; without one, or with --port, at a port of
        127.0.0.1 that only your own programs may use, until Ctrl-C.
        """
        word = parse_name(name, "vm").name
        viewer = None if port else _viewer(invocation.settings.search_path)

        async def act(session: Session) -> Exit:
            return await _view(session, word, viewer, port or 0)

        return invocation.run(act)

    return command


def _viewer(search_path: str) -> tuple[str, str] | None:
    """The program that is there, and how it is told the port."""
    found = ((shutil.which(program, path=search_path), told) for program, told in _VIEWERS)
    return next(((program, told) for program, told in found if program), None)


async def _view(session: Session, name: str, viewer: tuple[str, str] | None, port: int) -> Exit:
    import asyncio

    from quantix_cli.screens import screen  # loads aiohttp

    async with screen(session, name) as shown, await shown.serve(port) as server:
        port = server.sockets[0].getsockname()[1]
        if viewer is None:
            session.terminal.note(f"The screen of {name} is at 127.0.0.1:{port} (VNC). Leave with Ctrl-C.")
            await server.serve_forever()
        assert viewer is not None
        program, told = viewer
        running = await asyncio.create_subprocess_exec(program, told.format(port=port))
        code = await running.wait()
    if code:
        said = f"{Path(program).name} ended with {code}."
        raise CommandError(Exit.FAILED, said, f"qx vm view {name} --port 5901, and a viewer of your own")
    return Exit.DONE
