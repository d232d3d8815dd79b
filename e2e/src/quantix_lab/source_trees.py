"""The sources as syntax trees, each parsed once in a test run: for tests of what no source may say or do.

Tests that use it are one group of `side_by_side`: one worker has the trees, and the others need none.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from quantix_lab.checkout import CHECKOUT

COMPONENTS = ("crds", "operator", "hostd", "cli", "e2e")


def sources(*components: str) -> list[Path]:
    """Every module below the `src` of these components, of all of them where none is named."""
    chosen = components or COMPONENTS
    return [path for component in chosen for path in modules(CHECKOUT / component / "src")]


def modules(folder: Path) -> list[Path]:
    """Every module below a folder, in a stable order."""
    return sorted(folder.rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    """The module at `path`; nobody may change it."""
    text = path.read_text(encoding="utf-8")
    try:
        return ast.parse(text)
    except SystemError:
        # Python before 3.11.5 counts the depths of two parsings at once together (gh-106905)
        return ast.parse(text)


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of the module at `path`."""
    return tuple(ast.walk(tree(path)))
