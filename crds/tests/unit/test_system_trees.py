"""Which directories are the system's, for hosts and for the API server."""

from __future__ import annotations

import re
from pathlib import PurePath

import pytest

from quantix_api.system_trees import NOT_THE_SYSTEMS, system_tree


def is_taken_by_the_api(path: str) -> bool:
    """What the CEL of the rule says: it asks for matches alone."""
    terms = re.findall(r"(!?)self\.matches\('([^']+)'\)", NOT_THE_SYSTEMS.cel)
    trees, var, state = (bool(re.search(pattern, path)) for _, pattern in terms)
    assert [negated for negated, _ in terms] == ["!", "!", ""]
    return not trees and (not var or state)


@pytest.mark.parametrize(
    ("path", "tree"),
    [
        ("/etc", "/etc"),
        ("/etc/quantix", "/etc"),
        ("/usr/local/vms", "/usr"),
        ("/lib64", "/lib64"),
        ("/run/media/disk", "/run"),
        ("/var", "/var"),
        ("/var/log/vms", "/var"),
        ("/var/lib", "/var"),
        ("/var/lib/vms", None),
        ("/var/lib/quantix/pools/local", None),
        ("/variable", None),
        ("/srv", None),
        ("/mnt/etc", None),
        ("/home/vms", None),
        ("/data", None),
    ],
)
def test_a_place_of_the_system_is_refused_by_both(path: str, tree: str | None) -> None:
    assert system_tree(PurePath(path)) == (PurePath(tree) if tree else None)
    assert is_taken_by_the_api(path) == (tree is None)


def test_the_root_directory_is_no_place() -> None:
    assert system_tree(PurePath("/")) == PurePath("/")
