"""What a benchmark found: a table for people, and `build/bench/NAME.json` for machines.

The file is a list of {name, value, unit, goal, met}; a figure without a goal has null for both.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from quantix_lab.checkout import CHECKOUT

RESULTS = CHECKOUT / "build/bench"


@dataclass(frozen=True)
class Figure:
    """One line of a result. `noise`: what runs differed by, from the least to the most, in the unit."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    met: bool | None = None
    noise: str = ""


def at_most(name: str, value: float, unit: str, goal: float, *, noise: str = "") -> Figure:
    """A figure that shall not be above its goal, which is judged by what is shown of it."""
    shown = _rounded(value)
    return Figure(name, shown, unit, goal, shown <= goal, noise)


def at_least(name: str, value: float, unit: str, goal: float, *, noise: str = "") -> Figure:
    """A figure that shall not be below its goal."""
    shown = _rounded(value)
    return Figure(name, shown, unit, goal, shown >= goal, noise)


def told(name: str, value: float, unit: str, *, noise: str = "") -> Figure:
    """A figure without a goal."""
    return Figure(name, _rounded(value), unit, noise=noise)


def side_by_side(
    names: tuple[str, str, str],
    ours: Sequence[float],
    theirs: Sequence[float],
    unit: str,
    judge: Callable[[str, float, str, float], Figure],
    goal: float,
) -> tuple[Figure, Figure, Figure]:
    """The medians of both sides, and their ratio against its goal; `names` of these three."""
    both = median(ours), median(theirs)
    return (
        told(names[0], both[0], unit, noise=spread(ours)),
        told(names[1], both[1], unit, noise=spread(theirs)),
        judge(names[2], both[0] / both[1], "x", goal),
    )


def spread(values: Sequence[float]) -> str:
    """The least and the most of some runs."""
    return f"{min(values):.2f} to {max(values):.2f}"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least `share` of them (0 to 1) do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]


def report(name: str, figures: Sequence[Figure], note: str) -> Path:
    """Print the table and write the file; returns where it is."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / f"{name}.json"
    members = ("name", "value", "unit", "goal", "met")
    found = [{key: value for key, value in asdict(figure).items() if key in members} for figure in figures]
    file.write_text(json.dumps(found, indent=2) + "\n")
    load, _, _ = os.getloadavg()
    machine = f"{os.cpu_count()} cores, load {load:.1f}, {time.strftime('%Y-%m-%d %H:%M')}"
    sys.stdout.write("\n".join(("", *table(figures), f"{note}; {machine}; {file}", "", "")))
    sys.stdout.flush()
    return file


def table(figures: Sequence[Figure]) -> list[str]:
    """The lines of the table, its heading first."""
    width = max(len(figure.name) for figure in figures) + 2
    heading = f"{'WHAT':<{width}}{'FIGURE':>12}{'GOAL':>12}  {'MET':<5}NOISE"
    return [heading, *(_line(figure, width).rstrip() for figure in figures)]


def _line(figure: Figure, width: int) -> str:
    goal = "–" if figure.goal is None else _amount(figure.goal, figure.unit)
    met = {None: "–", True: "yes", False: "no"}[figure.met]
    value = _amount(figure.value, figure.unit)
    return f"{figure.name:<{width}}{value:>12}{goal:>12}  {met:<5}{figure.noise}"


def _amount(value: float, unit: str) -> str:
    return f"{value:,.4g} {unit}".rstrip() if abs(value) < 1000 else f"{value:,.0f} {unit}".rstrip()


def _rounded(value: float) -> float:
    return round(value, 3)
