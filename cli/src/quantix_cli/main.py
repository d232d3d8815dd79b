"""`qx`: the entrance. Runs the command that was asked for; every way it can end leaves through here."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from quantix_api.errors import QuantixError
from quantix_cli.exits import CommandError, Exit, Interrupted
from quantix_cli.grammar import Root, noun_first
from quantix_cli.settings import read_settings
from quantix_cli.up.run.words import steps_kept


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        command = ctx.command
        assert isinstance(command, Root)
        version = command.get_command(ctx, "version")
        assert version is not None
        ctx.exit(version.main([], standalone_mode=False, obj=ctx.obj) or Exit.DONE)


class _Qx(Root):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # the reader of our output has gone: normal in a pipe, though click would call it a failure;
            # nothing may be written any more
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return Exit.DONE


@click.command(cls=_Qx, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    "ask_version",
    is_flag=True,
    help="As qx version.",
    expose_value=False,
    is_eager=True,
    callback=_show_version,
)
def qx() -> None:
    """Quantix: virtual machines on your own hosts, by the Kubernetes API.

    qx NOUN VERB [NAME...]   for example: qx vm list, qx vm console web-1
    """


def plain_usage(error: click.ClickException) -> str:
    """What is wrong with the words of a command, in our voice."""
    if not isinstance(error, click.BadParameter) or error.param is None or error.ctx is None:
        return error.format_message()
    if isinstance(error, click.MissingParameter):
        return f"{error.param.make_metavar(error.ctx)} is missing."
    word = error.param.opts[-1]
    if not word.startswith("-"):
        return f"{error.message.rstrip('.')}."
    if isinstance(error.param.type, click.Choice):
        return f"{word} is one of {', '.join(error.param.type.choices)}."
    return f"{word}: {error.message.rstrip('.')}."


def interrupted_words(command: Sequence[str]) -> str:
    """What is said when `qx COMMAND` is interrupted that has begun nothing in the cluster. Pure."""
    again = {"up": "make up", "down": "make down"}.get(next(iter(command), ""))
    if again:
        return steps_kept(again)
    if "support-bundle" in command:
        return "Stopped."
    reads = {"list", "show", "explain", "status", "view", "screenshot", "doctor"} & set(command)
    if "end-orphan" in command:
        return "Stopped watching; a guest that is being ended is ended all the same."
    return "Stopped watching." if reads else "Nothing was changed."


# A list of 1,000 objects is a million values that are all still needed: looking for garbage among them again
# and again takes longer than reading them. Far apart, so that --watch has its memory back now and then
_GARBAGE_THRESHOLDS = (200_000, 20, 20)


def main() -> None:
    """Run `qx` and exit with a code of `exits.Exit`."""
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    settings = read_settings(os.environ, no_color="--no-color" in sys.argv)
    terminal = settings.terminal
    try:
        code = qx.main(standalone_mode=False, obj=settings)
    except CommandError as error:
        terminal.error(error.message, error.hint)
        if error.__cause__ is not None and {"-v", "--verbose"} & set(sys.argv):
            terminal.note(f"Said: {terminal.plain(str(error.__cause__))}")
        code = error.exit_code
    except QuantixError as error:
        terminal.error(error.message, error.hint)
        code = Exit.FAILED
    except click.exceptions.NoArgsIsHelpError as error:
        terminal.note(error.format_message())
        code = Exit.USAGE
    except click.ClickException as error:
        hint = f"{error.ctx.command_path} --help" if isinstance(error, click.UsageError) and error.ctx else ""
        terminal.error(plain_usage(error), hint)
        code = Exit.USAGE
    except Interrupted as error:
        # on a line of its own, after the terminal's ^C; as click has it for what it ends
        terminal.note(f"\n{terminal.plain(error.message)}")
        if error.hint:
            terminal.note(f"Try: {terminal.plain(error.hint)}")
        code = Exit.INTERRUPTED
    except (KeyboardInterrupt, click.Abort):
        noun, *rest = noun_first(sys.argv[1:]) or [""]
        terminal.note(interrupted_words([noun, *noun_first(rest)[:1]]))
        code = Exit.INTERRUPTED
    except Exception:
        import traceback  # 0.02 s that nothing but a bug has to pay

        terminal.note(traceback.format_exc())
        terminal.error("This is a bug in qx.", "qx support-bundle, and report it with the lines above")
        code = Exit.FAILED
    sys.exit(int(code or 0))


if __name__ == "__main__":
    main()
