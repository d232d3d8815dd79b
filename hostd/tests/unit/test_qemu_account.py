"""Which groups the files of guests and images belong to."""

import grp
from pathlib import Path

import pytest

from quantix_api.errors import PermanentError
from quantix_hostd.clients.image_account import ImageAccount
from quantix_hostd.clients.qemu_account import QemuAccount


def test_files_belong_to_root_and_the_group_and_sockets_to_qemus_user() -> None:
    account = QemuAccount.look_up("nobody", "nogroup")
    assert account.files.uid == 0
    assert account.sockets.uid == account.uid
    assert account.files.gid == account.sockets.gid == grp.getgrnam("nogroup").gr_gid


@pytest.mark.parametrize(
    ("user", "group", "words"),
    [
        ("no-such-user", "nogroup", "no user no-such-user"),
        ("nobody", "no-such-group", "no group no-such-group"),
        ("nobody", "root", "nobody, which QEMU runs as, is not in the group root"),
    ],
)
def test_an_account_that_guests_could_not_run_with_is_refused_in_words(
    user: str, group: str, words: str
) -> None:
    with pytest.raises(PermanentError, match=words) as caught:
        QemuAccount.look_up(user, group)
    assert caught.value.reason == "QemuAccountMissing"
    assert caught.value.hint


def test_a_user_whose_main_group_it_is_belongs_to_it() -> None:
    assert QemuAccount.look_up("root", "root").gid == Path("/").stat().st_gid


@pytest.mark.parametrize(
    ("user", "qemu_user", "words"),
    [
        ("no-such-user", "root", "no user no-such-user, who looks at images"),
        ("nobody", "root", "root, which QEMU runs as, is not in the group nogroup"),
    ],
)
def test_an_account_for_images_that_qemu_could_not_read_by_is_refused_in_words(
    user: str, qemu_user: str, words: str
) -> None:
    with pytest.raises(PermanentError, match=words) as caught:
        ImageAccount.look_up(user, qemu_user)
    assert caught.value.reason == "ImageAccountMissing"
    assert caught.value.hint


def test_images_belong_to_root_and_to_the_group_of_who_looks_at_them() -> None:
    assert ImageAccount.look_up("nobody", "nobody").files.uid == 0
