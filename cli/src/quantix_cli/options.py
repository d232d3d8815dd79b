"""The options that every command has, and what a command gets from them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import click

from quantix_cli import cluster
from quantix_cli.begun import Begun
from quantix_cli.exits import CommandError, Exit
from quantix_cli.helping import CommonOption
from quantix_cli.measures import parse_duration_s
from quantix_cli.session import Session, run
from quantix_cli.settings import Settings
from quantix_cli.terminal import Terminal
from quantix_cli.writing import Showing

T = TypeVar("T")


def _timeout_s(written: str) -> float:
    try:
        return parse_duration_s(written)
    except ValueError as error:
        raise click.BadParameter(f"{error}, such as 90s, 5m or 1h") from error


def _common(*names: str, **how: Any) -> Callable[[Any], Any]:
    return click.option(*names, cls=CommonOption, **how)


_OPTIONS = (
    _common("--kubeconfig", metavar="FILE", help="Cluster; default: this host's, else ~/.kube/config."),
    _common("--context", metavar="NAME", help="Context of the kubeconfig."),
    _common("-n", "--namespace", metavar="NS", help="Namespace; default: the context's, else default."),
    _common("-A", "--all-namespaces", is_flag=True, help="Every namespace."),
    _common("-y", "--yes", is_flag=True, help="Answer every question with yes."),
    # what went wrong before an option was parsed is coloured, too: `main` looks for it
    _common("--no-color", is_flag=True, expose_value=False, help="No colour."),
    _common("-v", "--verbose", is_flag=True, help="Show the server's own words with an error."),
    _common("--timeout", "timeout_s", type=_timeout_s, default="5m", metavar="TIME", show_default=True,
            help="How long to wait for work to end."),
)  # fmt: skip
_WRITE_OPTIONS = (
    _common("--dry-run", is_flag=True, help="Have it checked, change nothing, show what would change."),
    _common("--show-yaml", is_flag=True,
            help="Show the manifest or patch and the kubectl command, then act; with --dry-run only show."),
    _common("-o", "--output", type=click.Choice(("yaml",)),
            help="With --dry-run: the whole manifest, ready for Git, instead of what changes."),
)  # fmt: skip
_API_TIMEOUT_S = 3.0


@dataclass(frozen=True)
class Invocation:
    """One call of `qx`: where it goes and how it talks."""

    settings: Settings
    kubeconfig: str | None
    context: str | None
    namespace: str | None
    all_namespaces: bool
    assume_yes: bool
    verbose: bool
    timeout_s: float
    showing: Showing = Showing()  # noqa: RUF009 - it is frozen

    @property
    def terminal(self) -> Terminal:
        return self.settings.terminal

    def run(self, command: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Run `command` with a `Session` of the chosen cluster."""
        target = cluster.choose(self.kubeconfig, self.context, self.settings)
        begun = Begun()

        async def with_session(api: Any) -> T:
            namespace = None if self.all_namespaces else self.namespace or api.access.namespace or "default"
            begun.namespace = namespace
            here = self.terminal.here
            here.namespace, here.plain = namespace, api.access.namespace or "default"
            # what changes nothing asks nothing
            assume_yes = self.assume_yes or self.showing.dry_run
            session = Session(
                api, self.terminal, self.settings.layout, target, namespace, assume_yes, self.timeout_s
            )
            return await command(replace(session, showing=self.showing, begun=begun))

        try:
            return run(target, _API_TIMEOUT_S, with_session)
        except KeyboardInterrupt as error:
            if said := begun.interrupted():
                raise said from error
            raise


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the common options; the function gets them as its first argument, an Invocation."""
    return _with_options(function, _OPTIONS)


def write_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """As `common_options`, with what every command has that writes."""
    return _with_options(function, (*_OPTIONS, *_WRITE_OPTIONS))


def with_options(command: T, options: Sequence[Callable[[Any], Any]]) -> T:
    """Give a command further options, which its help tells in this order; or the function that becomes one,
    whose help then tells the last of them first.
    """
    for option in options:
        command = option(command)
    return command


def option_records() -> dict[str, list[tuple[str, str]]]:
    """Title and lines of help for what every command has, and what every command has that writes."""
    titles = {"Options of every command": _OPTIONS, "Options of every command that writes": _WRITE_OPTIONS}
    return {title: [_record(option) for option in options] for title, options in titles.items()}


def common_words() -> dict[str, bool]:
    """Each way to write an option that all commands share, or all that write; whether a value follows it."""
    found: dict[str, bool] = {}
    for option in (*_OPTIONS, *_WRITE_OPTIONS):
        [parameter] = click.command("any")(option(lambda: None)).params
        assert isinstance(parameter, click.Option)
        found |= dict.fromkeys(parameter.opts, not parameter.is_flag)
    return found


def _record(option: Callable[[Any], Any]) -> tuple[str, str]:
    [parameter] = click.command("any")(option(lambda: None)).params
    assert isinstance(parameter, CommonOption)
    return parameter.record(click.Context(click.Command("any")))


def _with_options(
    function: Callable[..., Any], options: Sequence[Callable[[Any], Any]]
) -> Callable[..., Any]:
    @functools.wraps(function)
    def with_invocation(*args: Any, **given: Any) -> Any:
        invocation = Invocation(
            settings=click.get_current_context().obj,
            kubeconfig=given.pop("kubeconfig"),
            context=given.pop("context"),
            namespace=given.pop("namespace"),
            all_namespaces=given.pop("all_namespaces"),
            assume_yes=given.pop("yes"),
            verbose=given.pop("verbose"),
            timeout_s=given.pop("timeout_s"),
            showing=_showing(given) if options is not _OPTIONS else Showing(),
        )
        # what is refused before the cluster is asked knows only what was typed
        invocation.terminal.here.namespace = None if invocation.all_namespaces else invocation.namespace
        return function(invocation, *args, **given)

    for option in reversed(options):
        with_invocation = option(with_invocation)
    return with_invocation


def _showing(given: dict[str, Any]) -> Showing:
    showing = Showing(given.pop("dry_run"), given.pop("show_yaml"), given.pop("output") == "yaml")
    if showing.manifest and not showing.dry_run:
        raise CommandError(Exit.USAGE, "-o yaml shows what --dry-run would write.", "--dry-run -o yaml")
    return showing
