"""What stands in KVM's way is told apart: firmware, the host of a VM, a module, an account."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

import pytest

from quantix_api import kvm
from quantix_api.messages import render


def places(tmp_path: Path, flags: str, *modules: str, device: bool = True) -> kvm.Places:
    found = kvm.Places(tmp_path / "kvm", tmp_path / "cpuinfo", tmp_path / "modules")
    found.processor.write_text(f"processor\t: 0\nflags\t\t: fpu {flags} sse\n")
    for name in modules:
        (found.modules / name).mkdir(parents=True)
    if device:
        found.device.touch()
    return found


@pytest.mark.parametrize(
    ("flags", "modules", "device", "said"),
    [
        ("", (), False, "its CPU offers no vmx or svm"),
        ("", (), True, "its CPU offers no vmx or svm"),
        ("hypervisor", (), False, "it is a VM, and its own host passes on no vmx or svm"),
        ("hypervisor", (), True, "it is a VM, and its own host passes on no vmx or svm"),
        ("vmx", (), False, "there is no {device}: module kvm_intel is not loaded"),
        ("svm hypervisor", (), False, "there is no {device}: module kvm_amd is not loaded"),
        ("vmx", ("kvm_intel",), False, "there is no {device}, though the kernel has kvm_intel: is this a"),
        ("vmx", ("kvm_pvm",), True, "this machine's KVM runs paravirtual guests only"),
    ],
)
def test_the_cause_is_told_in_one_sentence(
    tmp_path: Path, flags: str, modules: tuple[str, ...], device: bool, said: str
) -> None:
    looked = places(tmp_path, flags, *modules, device=device)
    found = kvm.obstacle(looked)
    assert found is not None
    sentence = render("KVMUnusable", host="box", **found).sentence
    assert sentence.startswith(f"KVM does not work on box ({said.format(device=looked.device)}")


@pytest.mark.parametrize("flag", ["vmx", "svm", "vmx hypervisor"])
def test_where_nothing_stands_in_the_way_nothing_is_said(tmp_path: Path, flag: str) -> None:
    assert kvm.obstacle(places(tmp_path, flag)) is None


@pytest.mark.parametrize(
    ("mode", "user", "refused"),
    [(0o600, "root", False), (0o600, "nobody", True), (0o660, "nobody", True), (0o666, "nobody", False)],
)
def test_a_device_that_is_not_for_the_user_of_guests_is_seen(
    tmp_path: Path, mode: int, user: str, refused: bool
) -> None:
    device = tmp_path / "kvm"
    device.touch()
    device.chmod(mode)
    wanted: Mapping[str, str] | None = {"user": user, "device": str(device)} if refused else None
    assert kvm.denied(user, device) == wanted


def test_a_group_of_the_user_counts(tmp_path: Path) -> None:
    """Gives a file away, which root alone may: tests run as root."""
    device = tmp_path / "kvm"
    device.touch()
    device.chmod(0o660)
    os.chown(device, 0, pwd.getpwnam("nobody").pw_gid)
    assert kvm.denied("nobody", device) is None
