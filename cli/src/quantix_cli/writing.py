"""The one way in which `qx` writes: it shows what it sends, has it checked without a change, or does it.

Used by every command that changes an object of the API. `--show-yaml` prints a script for a shell that does
the same with kubectl; `--dry-run` prints what would change; both together only print.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantix_api.resources import FINALIZER, Resource
from quantix_cli.begun import Begun
from quantix_cli.owners import LAST_APPLIED, warning
from quantix_cli.terminal import Terminal
from quantix_client.errors import Conflict

if TYPE_CHECKING:
    from quantix_client.api import ApiClient

Manifest = dict[str, Any]
Patch = Mapping[str, Any]

_TRIES = 5
_OF_THE_SERVER = frozenset(
    {"creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"}
    | {"deletionTimestamp", "deletionGracePeriodSeconds"}
)


@dataclass(frozen=True)
class Showing:
    """`--dry-run`, `--show-yaml`, and whether `-o yaml` asks for the manifest instead of the diff."""

    dry_run: bool = False
    script: bool = False
    manifest: bool = False


class Writer:
    """Writes to one API. Whatever returns None or False has only shown what would have been done."""

    def __init__(
        self, api: ApiClient, terminal: Terminal, showing: Showing, begun: Begun | None = None
    ) -> None:
        self._api = api
        self._terminal = terminal
        self._showing = showing
        self._begun = begun or Begun()

    async def create(self, resource: Resource, manifest: Manifest) -> Manifest | None:
        """The object as the API made it. Raises AlreadyExists and what else the API refuses."""
        whole = {"apiVersion": resource.api_version, "kind": resource.kind, **manifest}
        if self._only_script(create_script(whole)):
            return None
        with self._writing(resource, whole):
            made = await self._api.create(resource, whole, dry_run=self._showing.dry_run)
        if self._showing.dry_run:
            self._tell(resource, {}, whole)
            return None
        return made

    async def patch(self, resource: Resource, live: Manifest, patch: Patch) -> Manifest | None:
        """`live` with a merge patch."""
        return await self.change(resource, live, lambda _: patch)

    async def change(
        self, resource: Resource, live: Manifest, patch_of: Callable[[Manifest], Patch]
    ) -> Manifest | None:
        """`live` with the merge patch that `patch_of` makes of it; once more of the newer one where a patch
        that replaces a list would undo what somebody else has just written. An empty patch writes nothing.
        """
        name, namespace = live["metadata"]["name"], live["metadata"].get("namespace")
        if said := warning(live):
            self._terminal.note(self._terminal.plain(said))
        tries = _TRIES
        while True:
            patch = patch_of(live)
            if not patch:
                return live
            if self._only_script(patch_script(resource, live, patch)):
                return None
            try:
                with self._writing(resource, live):
                    changed = await self._api.patch(
                        resource, name, _guarded(patch, live), namespace, dry_run=self._showing.dry_run
                    )
            except Conflict:
                tries -= 1
                if not tries:
                    raise
                live = await self._api.get(resource, name, namespace)
                continue
            if self._showing.dry_run:
                self._tell(resource, live, changed)
                return None
            return changed

    async def delete(self, resource: Resource, live: Manifest) -> bool:
        """Ask for the deletion of exactly this object."""
        name, namespace = live["metadata"]["name"], live["metadata"].get("namespace")
        if self._only_script(delete_script(resource, live)):
            return False
        uid, dry_run = live["metadata"]["uid"], self._showing.dry_run
        with self._writing(resource, live):
            await self._api.delete(resource, name, namespace, uid=uid, dry_run=dry_run)
        if dry_run:
            self._tell_gone(resource, live)
        return not dry_run

    def _writing(self, resource: Resource, obj: Manifest) -> AbstractContextManager[None]:
        return nullcontext() if self._showing.dry_run else self._begun.writing(resource, obj)

    def show_deletion(self, resource: Resource, live: Manifest) -> None:
        """Show it without asking the API, which would refuse it before something else is gone."""
        if not self._only_script(delete_script(resource, live)):
            self._tell_gone(resource, live)

    def _tell_gone(self, resource: Resource, live: Manifest) -> None:
        self._tell(resource, live, live if self._showing.manifest else {})

    def _only_script(self, script: str) -> bool:
        """Show the script where it is asked for; whether that was all."""
        if self._showing.script:
            self._terminal.out(script)
        return self._showing.script and self._showing.dry_run

    def _tell(self, resource: Resource, before: Manifest, after: Manifest) -> None:
        if self._showing.manifest:
            self._terminal.out("---\n" + readable(clean(after)))
            return
        lines = difference(resource, before, after)
        for line in lines:
            self._terminal.out(line)
        if not lines:
            self._terminal.note(f"{before['metadata']['name']}: nothing would change.")


def clean(obj: Manifest) -> Manifest:
    """What somebody may keep in Git: without status, and without what the server and the platform add."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _OF_THE_SERVER}
    metadata["finalizers"] = [name for name in metadata.get("finalizers", []) if name != FINALIZER]
    annotations = metadata.get("annotations", {})
    metadata["annotations"] = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    kept = {key: value for key, value in metadata.items() if value not in ([], {})}
    return {key: value for key, value in {**obj, "metadata": kept}.items() if key != "status"}


def difference(resource: Resource, before: Manifest, after: Manifest) -> list[str]:
    """The lines of a unified diff of both as somebody would write them; `{}` is what is not there."""
    name = (before or after)["metadata"]["name"]
    was, will = (readable(clean(obj)).splitlines() if obj else [] for obj in (before, after))
    title = f"{resource.kind.lower()} {name}"
    return list(difflib.unified_diff(was, will, f"{title}, now", f"{title}, then", lineterm=""))


def create_script(manifest: Manifest) -> str:
    """What a shell runs to make the same object."""
    return _with_stdin(("kubectl", "create", "-f", "-"), clean(manifest))


def patch_script(resource: Resource, live: Manifest, patch: Patch) -> str:
    """What a shell runs to change the same fields."""
    words = ("kubectl", "patch", *_named(resource, live), "--type=merge", "--patch-file=/dev/stdin")
    return _with_stdin(words, patch)


def delete_script(resource: Resource, live: Manifest) -> str:
    """What a shell runs to delete the same object."""
    return shlex.join(("kubectl", "delete", *_named(resource, live)))


def readable(document: Mapping[str, Any]) -> str:
    """YAML as people write it: fields in their order, text of several lines as a block."""
    import yaml  # 0.03 s that a command which only acts does not have to pay

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return str(yaml.dump(document, sort_keys=False, Dumper=Dumper)).rstrip()


def _with_stdin(words: Sequence[str], document: Mapping[str, Any]) -> str:
    body, mark = readable(document), "EOF"
    while mark in body.split("\n"):
        mark += "_"
    return f"{shlex.join(words)} <<'{mark}'\n{body}\n{mark}"


def _named(resource: Resource, live: Manifest) -> tuple[str, ...]:
    metadata = live["metadata"]
    place = ("-n", metadata["namespace"]) if resource.namespaced else ()
    return (f"{resource.plural}.{resource.group}", metadata["name"], *place)


def _guarded(patch: Patch, live: Manifest) -> Patch:
    """The patch, refused by the API where it replaces a list that somebody has changed meanwhile."""
    if not _replaces_a_list(patch):
        return patch
    version = {"resourceVersion": live["metadata"]["resourceVersion"]}
    return {**patch, "metadata": {**patch.get("metadata", {}), **version}}


def _replaces_a_list(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_replaces_a_list(inner) for inner in value.values())
    return isinstance(value, list | tuple)
