"""How many files a host takes at once."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.transfer.upload_slots import UploadSlots


def test_a_host_takes_sixteen_files_at_once_whose_namespaces_ever_they_are() -> None:
    slots = UploadSlots("h1")
    with ExitStack() as sending:
        for number in range(16):
            sending.enter_context(slots.slot(f"n{number}"))
        with pytest.raises(TransientError) as refused:
            slots.check("another")
        assert refused.value.reason == "TooManyUploads"
        sending.close()
        slots.check("another")


def test_namespaces_that_send_all_they_may_leave_room_for_others() -> None:
    slots, taken = UploadSlots("h1"), dict.fromkeys("abcdef", 0)
    with ExitStack() as sending:
        for namespace in taken:
            for _ in range(16):
                try:
                    sending.enter_context(slots.slot(namespace))
                except TransientError:
                    break
                taken[namespace] += 1
        assert taken == {"a": 4, "b": 4, "c": 4, "d": 2, "e": 1, "f": 1}
        with pytest.raises(TransientError):
            slots.check("g")


def test_a_slot_comes_free_however_its_upload_ends() -> None:
    slots = UploadSlots("h1")
    for _ in range(20):
        with pytest.raises(OSError), slots.slot("shop"):
            raise OSError
    slots.check("shop")
