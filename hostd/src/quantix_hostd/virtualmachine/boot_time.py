"""Which of the times in a record count: those of this boot, by the clock that never jumps. Pure.

A record outlives the boot in which it was written, and its numbers are seconds since that boot. Called by
`observe`, so that nothing behind it compares seconds of two clocks.
"""

from __future__ import annotations

from dataclasses import replace

from quantix_hostd.virtualmachine.deaths import LONGEST_DELAY_S
from quantix_hostd.virtualmachine.link_plan import DOWN_S
from quantix_hostd.virtualmachine.record import Record, StopRequest


def of_this_boot(record: Record, boot_id: str, now_s: float) -> Record:
    """`record` without the times of another boot: what was begun then is long ago, and what waits is due.

    A record that names no boot tells it by times that are still to come. What is done is kept.
    """
    another = record.boot_id not in ("", boot_id)

    def past(seconds: float) -> float:
        return 0.0 if another or seconds > now_s else seconds

    def to_come(seconds: float, at_most_s: float) -> float:
        return 0.0 if another or seconds > now_s + at_most_s else seconds

    return replace(
        record,
        started_s=past(record.started_s),
        resumed_s=past(record.resumed_s),
        put_down_s=past(record.put_down_s),
        next_start_s=to_come(record.next_start_s, LONGEST_DELAY_S),
        stop=_stop(record.stop, now_s, another=another),
        bites=replace(record.bites, at_s=past(record.bites.at_s)),
        unplugs=tuple(replace(item, asked_s=past(item.asked_s)) for item in record.unplugs),
        cables=tuple(replace(item, back_s=to_come(item.back_s, DOWN_S)) for item in record.cables),
    )


def _stop(stop: StopRequest | None, now_s: float, *, another: bool) -> StopRequest | None:
    if stop is None or (stop.since_s <= now_s and not another):
        return stop
    return replace(stop, since_s=0.0, asked_s=None)
