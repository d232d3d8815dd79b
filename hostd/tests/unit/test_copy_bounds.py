"""What a full copy may take: in proportion to the file, and enough for every honest one."""

import pytest

from quantix_hostd.copy_bounds import copy_bounds

_GIB, _TIB = 1 << 30, 1 << 40


def test_a_small_file_that_describes_a_huge_disk_gets_little() -> None:
    bounds = copy_bounds(24 << 10, 2 * _TIB)
    assert bounds.written_bytes < 100 << 20
    assert bounds.cpu_s < 60
    assert bounds.wall_s < 300


@pytest.mark.parametrize(("file", "disk"), [(_GIB, _GIB), (_GIB, 10 * _GIB), (400 << 20, 3 * _GIB), (1, 512)])
def test_an_honest_file_has_room_for_all_of_its_disk_and_its_tables(file: int, disk: int) -> None:
    bounds = copy_bounds(file, disk)
    assert bounds.written_bytes >= disk * 1.1
    assert bounds.cpu_s >= disk / (32 << 20)
    assert bounds.wall_s >= disk / (4 << 20)


def test_the_time_grows_with_the_file() -> None:
    few, many = copy_bounds(_GIB, 100 * _TIB), copy_bounds(10 * _GIB, 100 * _TIB)
    assert many.cpu_s > 9 * few.cpu_s
    assert many.wall_s > 9 * few.wall_s
