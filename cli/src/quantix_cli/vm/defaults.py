"""Instance type and network of a new VM where nobody says: the one marked default, or the only one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from quantix_api.resources import NAMESPACE_SHARED
from quantix_cli.exits import CommandError, Exit
from quantix_cli.naming import reference
from quantix_cli.nouns import NOUNS, Manifest, look


def default_of(word: str, objects: Sequence[Manifest], home: str, option: str) -> str:
    """How the default one is named in a spec of namespace `home`; one of its own comes before a shared one.

    Raises CommandError (2) with the list when it is not clear which is meant, or there is none.
    """
    noun = NOUNS[word]
    own = [obj for obj in objects if obj["metadata"].get("namespace") in (None, home)]
    shared = [obj for obj in objects if obj["metadata"].get("namespace") == NAMESPACE_SHARED != home]
    marked = [obj for group in (own, shared) for obj in group if look(obj, "spec.default")]
    everything = [*own, *shared]
    if marked or len(everything) == 1:
        return reference((marked or everything)[0], word, home)
    if not everything:
        raise CommandError(Exit.USAGE, f"There is no {noun.singular} here.", f"qx {word} list, or {option}")
    names = ", ".join(reference(obj, word, home) for obj in everything)
    raise CommandError(
        Exit.USAGE,
        f"Which {noun.singular}? None of {names} is marked default.",
        f"{option} {reference(everything[0], word, home)}",
    )
