"""The environment is read once, in a `main`; everything else is told."""

import ast
from pathlib import Path

import quantix_cli
from quantix_lab.source_trees import modules, nodes

SOURCES = Path(quantix_cli.__file__).parent
BUILDERS = {"guestimage/__main__.py", "debianimage/__main__.py"}
MAINS = {"main.py", "up/bootstrap.py", "up/stop/clean.py", *BUILDERS}
# what they start inherits the environment as it is; nothing is decided by it
CALLERS = {"up/run/programs.py", "guestimage/disk.py"}


def reads_the_environment(source: Path) -> bool:
    names = {node.attr for node in nodes(source) if isinstance(node, ast.Attribute)}
    imported = {
        alias.name for node in nodes(source) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    return bool((names | imported) & {"environ", "environb", "getenv"})


def test_only_mains_read_the_environment() -> None:
    readers = {str(path.relative_to(SOURCES)) for path in modules(SOURCES) if reads_the_environment(path)}
    assert readers == MAINS | CALLERS
