"""The pages for people: every link leads somewhere, every command exists, and every page can be found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantix_lab.checkout import CHECKOUT
from quantix_lab.commands_named import what_is_wrong
from quantix_lab.transcript import Comparison, exchanges

DOCS = CHECKOUT / "docs"
EXAMPLES = CHECKOUT / "examples"
PAGES = sorted([CHECKOUT / "README.md", *DOCS.rglob("*.md"), *EXAMPLES.rglob("*.md")])
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
INDEXES = (CHECKOUT / "README.md", DOCS / "README.md")
FOR_DEVELOPERS = {DOCS / "plan.md"}
"""It also names commands that are still to come."""


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return FENCED.sub("", page.read_text())


def links(page: Path) -> Iterator[str]:
    """What a page links to within the repository."""
    for target in LINK.findall(re.sub(r"`[^`\n]*`", "", prose(page))):
        if "://" not in target:
            yield target


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them; of two that are alike, the second has `-1`."""
    seen: dict[str, int] = {}
    found = set()
    for heading in HEADING.findall(prose(page)):
        words = LINK.sub(lambda link: link[0].partition("](")[0].removeprefix("["), heading)
        anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if anchor in seen else anchor)
        seen[anchor] = seen.get(anchor, 0) + 1
    return found


def broken(page: Path, target: str) -> bool:
    """Whether the file or the heading does not exist."""
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists():
        return True
    return bool(anchor) and anchor not in anchors(file)


def commands(page: Path) -> Iterator[str]:
    """What a page writes as code: in a line, and after `$ ` in blocks."""
    text = page.read_text()
    yield from re.findall(r"`([^`\n]+)`", FENCED.sub("", text))
    for block in FENCED.findall(text):
        yield from re.findall(r"^\$ (.*)$", block, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    assert [target for target in links(page) if broken(page, target)] == []


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page not in FOR_DEVELOPERS and "adr" not in page.parts],
    ids=lambda page: str(page.relative_to(CHECKOUT)),
)
def test_every_command_in_the_pages_exists(page: Path) -> None:
    assert [wrong for command in commands(page) for wrong in what_is_wrong(command)] == []


def test_a_link_to_nothing_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = (
        "# Two words\n[a](#two-words) [b](#three) [c](gone.md) `[d](code.md)`\n## Two words\n[](#two-words-1)"
    )
    page.write_text(text)
    assert [target for target in links(page) if broken(page, target)] == ["#three", "gone.md"]


@pytest.mark.parametrize("index", INDEXES, ids=["README.md", "docs/README.md"])
def test_every_page_and_every_example_is_two_clicks_away(index: Path) -> None:
    reached = {index}
    for _ in range(2):
        for page in [page for page in reached if page.suffix == ".md"]:
            reached |= {(page.parent / target.partition("#")[0]).resolve() for target in links(page)}
    wanted = {*PAGES, *EXAMPLES.glob("*.yaml")} - {CHECKOUT / "README.md"}
    assert sorted(wanted - reached) == []


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_what_is_shown_as_typed_can_be_read_as_such(page: Path) -> None:
    list(exchanges(page.read_text()))


SHOWN = "hello runs at 10.77.0.62 after 3.5 s.\n10.77.0.62  up  12m …"


@pytest.mark.parametrize(
    ("output", "fits"),
    [
        ("hello runs at 10.77.0.9 after 1 m 04 s.\n10.77.0.9     up 3s  and more", True),
        ("hello: box is starting it.\nhello runs at 10.77.0.9 after 1 s.\n10.77.0.9 up 3s x", True),
        ("hello runs at 10.77.0.9 after 1 s.\n10.77.0.8 up 3s x", False),
        ("hello runs at 10.77.0.9 after 1 s.\n10.77.0.9 down 3s x", False),
        ("hello runs at 10.77.0.9 after 1 s.", False),
        ("hello: no such image.\nhello runs at 10.77.0.9 after 1 s.\n10.77.0.9 up 3s x", False),
    ],
)
def test_an_output_fits_but_for_times_addresses_and_columns(output: str, fits: bool) -> None:
    assert Comparison().fits(SHOWN, output) is fits


def test_an_address_of_a_page_stands_for_the_real_one_from_its_first_output_on() -> None:
    comparison = Comparison()
    assert comparison.real("ping 10.77.0.62") == "ping 10.77.0.62"
    assert comparison.fits("web at 10.77.0.62", "web at 10.1.2.3")
    assert comparison.real("ping 10.77.0.62") == "ping 10.1.2.3"
    assert not comparison.fits("still at 10.77.0.62", "still at 10.77.0.62")


def test_a_wait_may_stand_before_a_sentence_that_looks_like_one() -> None:
    assert Comparison().fits("web: disk a is there.", "web: disk a is being made.\nweb: disk a is there.")
    assert not Comparison().fits("web: disk a is there.", "web: disk a is being made.")


def test_commands_and_their_outputs_are_told_apart() -> None:
    page = "```console\n$ cat <<EOF\n$ no command\nEOF\n$ no command\n```\n```text\n$ not run\n```\n"
    found = [(e.command, e.shown) for e in exchanges(page)]
    assert found == [("cat <<EOF\n$ no command\nEOF", ""), ("no command", "")]
    with pytest.raises(ValueError, match="begins with output"):
        list(exchanges("```console\noutput\n```\n"))
