"""The table of messages: one voice, closed, and what the design binds to the letter."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api.conditions import TABLE as CONDITIONS
from quantix_api.errors import InvariantError, PermanentError, TransientError
from quantix_api.message_template import Template
from quantix_api.message_text import text_of
from quantix_api.messages import (
    MAX_LENGTH,
    TABLE,
    as_error,
    fields_of,
    message_of,
    over,
    render,
    templates_of,
)
from quantix_lab.source_trees import nodes, sources

BANNED = (
    "please",
    "invalid",
    "failed to",
    "unexpected",
    "pod",
    "crd",
    "controller",
    "reconcile",
    "finalizer",
    "sorry",
)
# One row of the design each: reason, fields, the whole text. They bind to the letter.
BINDING = [
    (
        "NotEnoughMemory",
        {"wanted": "64 GiB", "hosts": "h1 41, h2 30; h3 is Failed"},
        "No host has 64 GiB free: h1 41, h2 30; h3 is Failed. "
        "Try: lower memory, stop or move a VM, or add a host.",
    ),
    (
        "NoHostFits",
        {"reasons": "2 lack memory, 1 lacks pool ceph", "name": "db-1"},
        "No host fits: 2 lack memory, 1 lacks pool ceph. Try: qx vm explain db-1 lists every host.",
    ),
    (
        "AntiAffinity",
        {"group": "web", "wanted": "a fourth host", "ready": 3},
        "Group web wants a fourth host; 3 are ready. Try: add a host or leave the group.",
    ),
    (
        "HAReserve",
        {"name": "web-9", "failures": "one host"},
        "Starting web-9 would leave no room for the loss of one host, which the policy keeps. "
        "Try: stop a VM, add a host, or start it with ha.restart Never.",
    ),
    (
        "ImageNotFound",
        {"image": "debian-31", "near": "debian-13", "name": "web-1"},
        "There is no image debian-31 here; debian-13 is near. "
        "Try: qx vm delete web-1, for it has no data yet, and create it again with image debian-13; "
        "or add the image; it then goes on by itself.",
    ),
    (
        "ImageNotFound",
        {"image": "debian-31", "near": "debian-13", "name": "web-1", "disk": "data"},
        "There is no image debian-31 here for disk data; debian-13 is near. "
        "Try: qx volume create VOLUME --image debian-13, qx vm attach web-1 --volume VOLUME and "
        "qx vm detach web-1 data; or add the image; it then goes on by itself.",
    ),
    (
        "NetworkNotFound",
        {"network": "prod-lan", "path": "nics[0]"},
        "There is no network prod-lan here. Try: create it or correct nics[0]; it then goes on by itself.",
    ),
    (
        "ImageDownloading",
        {"image": "debian-13"},
        "debian-13 is being downloaded. Try: nothing; it goes on by itself.",
    ),
    (
        "ImageUnreachable",
        {"server": "cdn.example.com", "code": 404, "file": "debian-13.qcow2", "minutes": 5},
        "cdn.example.com answered 404 for debian-13.qcow2; asked again in 5 min. Try: correct spec.url.",
    ),
    (
        "ChecksumMismatch",
        {"found": "9f2c…", "wanted": "41aa…"},
        "The file has sha256 9f2c…, the image says 41aa…; nothing was kept. "
        "Try: correct the sum, or find out who changed the file.",
    ),
    (
        "ImageRefused",
        {},
        "The file names another file as its backing file, which could read the host's disk. "
        "Try: qemu-img convert -O qcow2 IN OUT, upload OUT.",
    ),
    (
        "InUse",
        {"name": "debian-13", "count": 3, "users": "web-1-root, web-2-root, db-1-root"},
        "debian-13 is the base of 3 volumes: web-1-root, web-2-root, db-1-root. Try: delete those first.",
    ),
    (
        "PoolFull",
        {"pool": "ceph", "name": "web-1"},
        "Pool ceph is full; web-1 is paused so that no data is lost. "
        "Try: delete snapshots or volumes, or add disks; it resumes by itself.",
    ),
    (
        "AddressesExhausted",
        {"network": "default", "used": 253, "all": 253},
        "Network default has no free address: 253 of 253 are used. Try: remove a VM or add a network.",
    ),
    (
        "AddressesExhausted",
        {"network": "default", "used": 253, "all": 253, "floating": 200},
        "Network default has no free address: 253 of 253 are used, 200 of them by floating IPs. "
        "Try: remove a VM or a floating IP, or add a network.",
    ),
    (
        "QuotaExceeded",
        {"namespace": "dev", "limit": "20 VMs", "used": 20},
        "Namespace dev may have 20 VMs and has 20. "
        "Try: delete one, or have the quota raised (kubectl describe quota -n dev).",
    ),
    (
        "NameTaken",
        {"one": "A VM", "noun": "vm", "name": "web-1", "age": "3 d"},
        "A VM web-1 exists here for 3 d. Try: another name, or qx vm set web-1.",
    ),
    (
        "NotAllowed",
        {"user": "admin-ro", "verb": "delete", "what": "VMs in prod", "role": "vm-admin"},
        "admin-ro may not delete VMs in prod. "
        "Try: ask for role vm-admin; kubectl auth can-i shows what you may.",
    ),
    (
        "APIUnreachable",
        {"address": "10.0.0.10:6443", "what": "refused the connection"},
        "The API at 10.0.0.10:6443 refused the connection; running VMs are not affected. "
        "Try: qx doctor on the machine of its control plane.",
    ),
    (
        "KVMUnusable",
        {"host": "box"},
        "KVM does not work on box (its CPU offers no vmx or svm), so guests are emulated (TCG) and slow. "
        "Try: turn on VT-x or AMD-V in the firmware, then reboot.",
    ),
    (
        "HostDownLocalDisk",
        {"host": "h1", "disk": "data", "name": "files-1"},
        "h1 is down, and disk data exists only on h1. Try: bring h1 back; files-1 then starts by itself.",
    ),
    (
        "FenceUnproven",
        {"host": "h3", "why": "no BMC, and pool nfs cannot fence"},
        "h3 is silent, but nothing proves it stopped: no BMC, and pool nfs cannot fence. "
        "Starting its VMs elsewhere could destroy their disks. "
        "Try: switch h3 off by hand, then set spec.confirmedDead of its HostRecovery.",
    ),
    (
        "FencingHeld",
        {"silent": 2, "hosts": 3},
        "2 of 3 hosts fell silent at once, which points at the network. Nobody is fenced; VMs go on running. "
        "Try: check the switch between them; the rest goes on by itself.",
    ),
    (
        "CPUFeatureMissing",
        {"host": "h3", "feature": "avx512f", "name": "web-1", "model": "Broadwell"},
        "h3's CPU lacks avx512f, which web-1 was started with. "
        "Try: another host, or cpu model Broadwell and a restart.",
    ),
    (
        "RestartRequired",
        {"change": "cpu.cores 2 → 4", "name": "web-1"},
        "cpu.cores 2 → 4 takes effect at the next start. Try: qx vm restart web-1, or set it back.",
    ),
    (
        "QEMUCrashed",
        {"times": 3, "minutes": 5, "at": "14:40", "said": '"…"', "name": "web-1"},
        'QEMU ended 3 times in 5 min; next start at 14:40. Said: "…". '
        "Try: qx vm explain web-1; report it with qx support-bundle.",
    ),
]
# Kinds and conditions that nothing writes yet; their messages come with them
LATER = {
    ("VirtualMachine", "GuestHealthy"),
    ("VirtualMachine", "AgentConnected"),
    ("Host", "StorageFence"),
    ("HostRecovery", "Ready"),
}


@pytest.mark.parametrize(("reason", "fields", "text"), BINDING, ids=[row[0] for row in BINDING])
def test_the_binding_messages_are_said_to_the_letter(
    reason: str, fields: dict[str, object], text: str
) -> None:
    assert render(reason, **fields).text == text


@pytest.mark.parametrize("template", TABLE, ids=lambda template: template.reason)
def test_every_message_keeps_to_the_one_voice(template: Template) -> None:
    whole = f"{template.sentence} Try: {template.hint}."
    lowered = whole.lower()
    assert not [word for word in BANNED if re.search(rf"\b{word}\b", lowered)]
    assert template.sentence.endswith(".")
    assert not template.hint.endswith(".")
    assert len(whole) <= MAX_LENGTH - 20 * len(fields_of(template)) + 60
    assert re.fullmatch(r"[A-Z][A-Za-z0-9]*", template.reason)


def test_every_reason_of_the_conditions_that_are_written_has_a_message() -> None:
    said = {template.reason for template in TABLE}
    for row in CONDITIONS:
        if (row.kind, row.type) not in LATER:
            assert not [reason for reason in (*row.true, *row.otherwise) if reason not in said], row


def test_the_forms_of_a_reason_are_told_apart_by_their_fields() -> None:
    keys = [(template.reason, fields_of(template)) for template in TABLE]
    assert len(keys) == len(set(keys))


def test_an_unknown_reason_or_field_is_a_bug_that_names_what_there_is() -> None:
    with pytest.raises(InvariantError, match="none of that name"):
        render("Gone")
    with pytest.raises(InvariantError, match=r"\(host\)"):
        render("KVMUnusable", machine="box")


@given(said=st.text(max_size=2000))
def test_no_message_is_longer_than_300_characters_or_loses_its_way_out(said: str) -> None:
    message = render("ConfigRefused", host="h1", said=said)
    assert len(message.text) <= MAX_LENGTH
    assert message.text.endswith("Try: change the spec that this names.")
    assert "\n" not in message.text


def test_an_error_carries_the_same_words() -> None:
    error = as_error(PermanentError, "KVMUnusable", host="box")
    assert error.reason == "KVMUnusable"
    assert message_of(error) == render("KVMUnusable", host="box").text
    assert len(message_of(PermanentError("X", "y" * 500))) == MAX_LENGTH


def test_every_message_that_the_components_ask_for_by_name_is_in_the_table() -> None:
    known = {(template.reason, fields_of(template)) for template in TABLE}
    asked = [call for path in sources() for call in messages_asked_for(path)]
    assert len(asked) > 20
    assert not [call for call in asked if call[1:] not in known]
    assert all(templates_of(reason) for _, reason, _ in asked)


def test_a_text_is_put_together_and_taken_apart_in_one_place() -> None:
    apart = {
        path.name for path in sources() for node in nodes(path) if getattr(node, "value", None) == " Try: "
    }
    assert apart == {"message_text.py"}


def messages_asked_for(path: Path) -> list[tuple[str, str, frozenset[str]]]:
    """Calls with literal reasons: `render("Reason", field=…)`, `as_error(Class, "Reason", field=…)` and
    `as_wait("Reason", seconds, field=…)`.
    """
    found = []
    for node in nodes(path):
        if not isinstance(node, ast.Call) or any(keyword.arg is None for keyword in node.keywords):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        position = {"render": 0, "as_error": 1, "as_wait": 0}.get(name)
        if position is None or len(node.args) <= position:
            continue
        reason = node.args[position]
        if isinstance(reason, ast.Constant) and isinstance(reason.value, str):
            fields = frozenset(keyword.arg or "" for keyword in node.keywords)
            found.append((f"{path}:{node.lineno}", reason.value, fields))
    return found


def test_what_moves_the_cursor_of_a_terminal_is_not_said() -> None:
    said = render("ConsoleOpened", user="al\x1b[2Jice\x07", door="screen", host="h1")
    assert said.text == "al[2Jice opened its screen on h1."


def test_what_moves_the_cursor_of_a_terminal_is_no_part_of_a_condition() -> None:
    error = PermanentError("InternalError", "libvirt said \x1b]0;you\x07\nno.")
    assert message_of(error) == "libvirt said ]0;you no."


def test_what_is_over_promises_nothing_and_says_what_to_do_then() -> None:
    down = message_of(as_error(TransientError, "LibvirtDown", said="no socket"))
    assert over(down, "take another one") == (
        "libvirt does not answer. Said: no socket. Try: take another one."
    )
    full = text_of("The pool is full.", "make room; it then goes on by itself")
    assert over(full, "take another one") == "The pool is full. Try: make room; then take another one."
    assert over(full) == "The pool is full. Try: make room."
    said = text_of("It is so.", "look, and take another one")
    assert over(said, "take another one") == said
    long = over("x" * 400, "take another one")
    assert len(long) <= MAX_LENGTH
    assert long.endswith("… Try: take another one.")
