"""How times and amounts read in the output of `qx up`. Pure."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """`0.6 s`, `23.8 s`, `6 m 04 s`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole // 60} m {whole % 60:02d} s"


def about(seconds: float) -> str:
    """A rough time: `5 s`, `2 min`."""
    return f"{round(seconds)} s" if seconds < 60 else f"{round(seconds / 60)} min"


def gibibytes(size_bytes: int) -> str:
    """`8.1 GiB`, `24 GiB`."""
    amount = size_bytes / 2**30
    return f"{amount:.1f} GiB" if amount < 10 else f"{amount:.0f} GiB"


def steps_kept(again: str) -> str:
    """What an interrupted run of steps says; `again` is the command that goes on."""
    return f"Stopped. Finished steps are kept; {again} goes on from here."
