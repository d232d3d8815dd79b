"""Objects as lines of text: a table for people, or what the API has. Pure; used by list, show and --watch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from quantix_api.quantities import counted
from quantix_api.references import shared_reference
from quantix_api.resources import NAMESPACE_SHARED
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import CHANGES_TO, Manifest, Noun, World, header, row
from quantix_cli.tables import Cell, table
from quantix_cli.terminal import Terminal
from quantix_cli.wide import wide_cells, wide_header

FORMATS = ("table", "wide", "json", "yaml", "name")
_NAMESPACE = "NAMESPACE"
_UNSEEN = Cell("-")


@dataclass(frozen=True)
class View:
    """How a table is wanted. `home` is the namespace of the command, None for all of them; `wide` shows exact
    times and further columns.
    """

    terminal: Terminal
    home: str | None
    columns: tuple[str, ...] = ()
    sort: str = ""
    heading: bool = True
    wide: bool = False


def refuse_unknown_columns(noun: Noun, columns: Sequence[str]) -> None:
    """Raise CommandError (2) with the columns that exist when one does not."""
    known = _titles(noun)
    for column in columns:
        if column not in known:
            raise CommandError(Exit.USAGE, f"There is no column {column}.", f"one of {', '.join(known)}")


def table_lines(
    objects: Sequence[Manifest],
    noun: Noun,
    seen: World,
    view: View,
    *,
    beside: Sequence[Manifest] = (),
    left: bool = False,
) -> list[str]:
    """The table; the reason column only where some row has one, or where nobody reads but a program.

    Rows are as wide as with those of `beside`. `left` says that the objects are gone.
    """
    titles = _titles(noun)
    rows = [cells(obj, noun, seen, view) for obj in objects]
    if left:
        place = titles.index("STATE")
        rows = [(*line[:place], Cell("○ Deleted", "grey"), *line[place + 1 :]) for line in rows]
    if view.sort:
        rows.sort(key=_order(titles.index(view.sort)))
    places = [titles.index(column) for column in view.columns] or _usual(titles, rows, view, noun)
    chosen = [[line[place] for place in places] for line in rows]
    others = [[line[place] for place in places] for line in (cells(obj, noun, seen, view) for obj in beside)]
    shown = [titles[place] for place in places]
    return table(shown, chosen, view.terminal, heading=view.heading, beside=others)


def _titles(noun: Noun) -> tuple[str, ...]:
    """Every column that there is, in the order of `cells`."""
    *usual, age, reason = header(noun)
    place = (_NAMESPACE,) if noun.resource.namespaced else ()
    return (*place, *usual, *wide_header(noun), age, reason)


def cells(obj: Manifest, noun: Noun, seen: World, view: View) -> tuple[Cell, ...]:
    """One row, with the namespace first where the kind has one."""
    metadata = obj["metadata"]
    *usual, age, reason = row(obj, noun, seen)
    # of a usual list nobody sees them, and 1,000 rows are to come quickly
    asked = view.wide or view.columns or view.sort
    further = wide_cells(obj, noun) if asked else (_UNSEEN,) * len(wide_header(noun))
    made = [*usual, *further, age, reason]
    namespace = metadata.get("namespace")
    if view.home is not None and namespace == NAMESPACE_SHARED != view.home:
        made[0] = Cell(shared_reference(metadata["name"]))
    if view.wide:
        made[-2] = Cell(str(metadata.get("creationTimestamp", "-")))
    return (Cell(str(namespace or "-")), *made) if noun.resource.namespaced else tuple(made)


def nothing(noun: Noun) -> str:
    """What stands in the place of an empty table."""
    return counted(0, noun.singular)


def more_shared(noun: Noun, count: int) -> str:
    """That a namespace's list is without the `count` objects that all may use, and how these are listed."""
    return f"{count} more in {NAMESPACE_SHARED}: qx {noun.word} list '{shared_reference('*')}'"


def object_text(objects: Sequence[Manifest], noun: Noun, output: str) -> str:
    """The API's objects unchanged as json or yaml, or the names that kubectl takes."""
    if output == "name":
        return "\n".join(object_name(obj, noun) for obj in objects)
    whole = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    return one_object(whole, output)


def one_object(obj: Manifest, output: str) -> str:
    """One object (or a List) as json or yaml."""
    if output == "json":
        return json.dumps(obj, indent=2)
    import yaml  # 0.03 s that a table does not have to pay

    return str(yaml.dump(obj, sort_keys=False, Dumper=yaml.CSafeDumper)).rstrip()


def object_name(obj: Manifest, noun: Noun) -> str:
    """`virtualmachines.quantix.io/web-1`."""
    return f"{noun.resource.plural}.{noun.resource.group}/{obj['metadata']['name']}"


def object_stream(obj: Manifest, noun: Noun, output: str) -> str:
    """One object of many that are shown one after the other: in json a line, in yaml a document."""
    if output == "name":
        return object_name(obj, noun)
    if output == "json":
        return json.dumps(obj, separators=(",", ":"))
    return "---\n" + one_object(obj, "yaml")


def _usual(titles: Sequence[str], rows: Sequence[Sequence[Cell]], view: View, noun: Noun) -> list[int]:
    """The columns where none were asked for: a namespace only where there may be several, the further ones
    only where it is wide.
    """
    first = 1 if titles[0] == _NAMESPACE and view.home is not None else 0
    bare = view.terminal.is_tty and not any(line[-1].text for line in rows)
    further = () if view.wide else wide_header(noun)
    return [place for place in range(first, len(titles) - bare) if titles[place] not in further]


def _order(place: int) -> Callable[[Sequence[Cell]], tuple[bool, float, str]]:
    """Numbers and sizes by their amount, before words; words by the alphabet. A change counts as what is."""

    def key(line: Sequence[Cell]) -> tuple[bool, float, str]:
        amount = _amount(line[place].text.partition(CHANGES_TO)[0])
        return (amount is None, amount or 0.0, line[place].text)

    return key


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "%": 1, "B": 1} | {
    f"{letter}iB": 1 << (10 * power) for power, letter in enumerate("KMGT", 1)
}


def _amount(text: str) -> float | None:
    number = text.rstrip("sdhm%BiKMGT ")
    unit = text[len(number) :].strip()
    try:
        return float(number) * _UNITS[unit] if unit else float(number)
    except (ValueError, KeyError):
        return None


def tidy(objects: Sequence[Manifest]) -> Iterator[Manifest]:
    """Objects without managedFields, which only the server reads."""
    for obj in objects:
        metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
        yield {**obj, "metadata": metadata}
