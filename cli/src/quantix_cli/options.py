"""The options that every command has, and what a command gets from them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from quantix_cli import cluster
from quantix_cli.measures import parse_duration_s
from quantix_cli.session import Session, run
from quantix_cli.settings import Settings
from quantix_cli.terminal import Terminal

T = TypeVar("T")


def _timeout_s(written: str) -> float:
    try:
        return parse_duration_s(written)
    except ValueError as error:
        raise click.BadParameter(f"{error}, such as 90s, 5m or 1h") from error


_OPTIONS = (
    click.option("--kubeconfig", metavar="FILE", help="Cluster; default: this host's, else ~/.kube/config."),
    click.option("--context", metavar="NAME", help="Context of the kubeconfig."),
    click.option("-n", "--namespace", metavar="NS", help="Namespace; default: the context's, else default."),
    click.option("-A", "--all-namespaces", is_flag=True, help="Every namespace."),
    click.option("-y", "--yes", is_flag=True, help="Answer every question with yes."),
    # what went wrong before an option was parsed is coloured, too: `main` looks for it
    click.option("--no-color", is_flag=True, expose_value=False, help="No colour."),
    click.option("-v", "--verbose", is_flag=True, help="Show the server's own words with an error."),
    click.option("--timeout", "timeout_s", type=_timeout_s, default="5m", metavar="TIME", show_default=True,
                 help="How long to wait for work to end."),
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

    @property
    def terminal(self) -> Terminal:
        return self.settings.terminal

    def run(self, command: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Run `command` with a `Session` of the chosen cluster."""
        target = cluster.choose(self.kubeconfig, self.context, self.settings)

        async def with_session(api: Any) -> T:
            namespace = None if self.all_namespaces else self.namespace or api.access.namespace or "default"
            session = Session(
                api, self.terminal, self.settings.layout, target, namespace, self.assume_yes, self.timeout_s
            )
            return await command(session)

        return run(target, _API_TIMEOUT_S, with_session)


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the common options; the function gets them as its first argument, an Invocation."""

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
        )
        return function(invocation, *args, **given)

    for option in reversed(_OPTIONS):
        with_invocation = option(with_invocation)
    return with_invocation
