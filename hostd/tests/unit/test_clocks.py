"""hostd judges what waits and ages by one clock, which tests turn by hand."""

from __future__ import annotations

import ast

from quantix_lab.source_trees import nodes, sources

# what two of the machine's clocks say of the same moment; how long a call of libvirt took, whose error is the
# same for an agent that is not there and for one that is late
_ASK_THE_KERNEL = {"kernel_log.py", "libvirt_moments.py"}


def test_nothing_but_the_clock_is_asked_how_time_goes_by() -> None:
    asking = {
        path.name
        for path in sources("hostd")
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "time.monotonic"
    }
    assert asking == _ASK_THE_KERNEL
