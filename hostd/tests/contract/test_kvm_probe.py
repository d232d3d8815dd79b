"""The KVM probe's payload against the real assembler and the real QEMU."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_api.kvm import Places
from quantix_api.messages import render
from quantix_hostd.clients import kvmprobe
from quantix_hostd.clients.command import run
from quantix_hostd.clients.kvm import KvmClient
from quantix_hostd.facts.machine import Accelerator

_SOURCE = Path(kvmprobe.__file__).parent
_HALT_AT_ONCE = b"\xf4" * kvmprobe.ROM_BYTES


async def test_the_committed_payload_is_what_the_source_says(tmp_path: Path) -> None:
    built = tmp_path / "payload.bin"
    await run("nasm", "-f", "bin", "-o", str(built), str(_SOURCE / "payload.asm"))
    assert built.read_bytes() == (_SOURCE / "payload.bin").read_bytes()


@pytest.mark.parametrize("user", [None, "libvirt-qemu"])
async def test_an_emulated_machine_runs_the_payload_to_its_end(user: str | None) -> None:
    assert await KvmClient(user).boot("tcg", timeout_s=20.0) == kvmprobe.SUCCESS_CODE


async def test_a_guest_that_stops_early_is_no_success() -> None:
    assert await KvmClient(None).boot("tcg", timeout_s=1.0, rom=_HALT_AT_ONCE) is None


async def test_a_machine_without_the_device_emulates_and_says_why(tmp_path: Path) -> None:
    processor = tmp_path / "cpuinfo"
    processor.write_text("flags : vmx\n")
    verdict = await KvmClient(None, Places(tmp_path / "kvm", processor, tmp_path)).probe()
    assert verdict.accelerator is Accelerator.TCG
    assert verdict.obstacle == {"module": "kvm_intel", "device": str(tmp_path / "kvm")}


async def test_the_verdict_about_this_machine_agrees_with_running_the_payload() -> None:
    client = KvmClient(None)
    works = await client.boot("kvm", timeout_s=2.5) == kvmprobe.SUCCESS_CODE
    verdict = await client.probe()
    assert (verdict.accelerator is Accelerator.KVM) is works
    assert works or "KVM does not work on box (" in render("KVMUnusable", host="box", **verdict.obstacle).text
