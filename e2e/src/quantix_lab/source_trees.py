"""The sources as syntax trees, each parsed once in a test run: for tests of what no source may say or do.

Tests that use it are one xdist group, so that one worker has the trees and the others need none:
`pytestmark = pytest.mark.xdist_group("sources")`.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
COMPONENTS = ("crds", "operator", "hostd", "cli", "e2e")


def sources(*components: str) -> list[Path]:
    """Every module below the `src` of these components, of all of them where none is named."""
    chosen = components or COMPONENTS
    return [path for component in chosen for path in modules(REPOSITORY / component / "src")]


def modules(folder: Path) -> list[Path]:
    """Every module below a folder, in a stable order."""
    return sorted(folder.rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    """The module at `path`; nobody may change it."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of the module at `path`."""
    return tuple(ast.walk(tree(path)))
