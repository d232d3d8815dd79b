"""What people from other platforms type, and what it is called here. Data, and how it is looked up; pure.

Read by `grammar` for nouns and verbs, and by `helping` for options.
"""

from __future__ import annotations

from collections.abc import Mapping

FOREIGN: Mapping[str, str] = {
    "datastore": "pool", "storage": "pool", "portgroup": "network", "port-group": "network",
    "vswitch": "network", "bridge": "network", "esxi": "host", "node": "host", "hypervisor": "host",
    "template": "image", "iso": "image", "machine": "vm", "guest": "vm", "domain": "vm", "instance": "vm",
    "disk": "volume", "flavor": "instancetype", "firewall": "securitygroup", "namespaces": "namespace",
    "vmotion": "migrate", "evacuate": "drain", "maintenance": "drain",
    "get": "list", "describe": "show", "info": "show", "inspect": "show", "why": "explain",
    "new": "create", "add": "create", "apply": "create", "import": "upload",
    "edit": "set", "patch": "set", "modify": "set", "update": "set", "label": "set", "reconfigure": "set",
    "remove": "delete", "destroy": "delete", "undefine": "delete",
    "run": "start", "boot": "start", "poweron": "start", "reboot": "restart", "suspend": "pause",
    "shutdown": "stop", "poweroff": "stop", "halt": "stop", "kill": "stop", "unpause": "resume",
    "copy": "clone", "connect": "console", "terminal": "console", "login": "ssh", "vnc": "view",
    "grow": "resize", "expand": "resize", "extend": "resize", "backups": "backup",
}  # fmt: skip
"""A word, and the one noun or verb that does the same."""

HARMFUL = frozenset({"reset", "restart", "stop", "delete", "detach", "end-orphan", "down"})
"""What takes something away from somebody who did not mean it: no guess but for a slip of the finger."""

_STATE = "qx {noun} list shows how all of them are, qx {noun} explain NAME why one is so."
_NAME_STAYS = "A name stays for good."
_UPLOADS = (
    "A disk comes by qx volume upload FILE, a template or an ISO by qx image upload FILE; "
    "docs/bring-a-vm-over.md has the whole way."
)
# of noun and verbs: what to do instead, where that is not the same command by another name
_ELSEWHERE: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("vm", ("resize", "scale", "grow", "expand", "extend", "setvcpus", "setmem"),
     "qx vm set NAME --cpu N --memory SIZE changes the VM, qx volume resize VOLUME SIZE a disk of it."),
    ("vm", ("rename", "mv"), f"{_NAME_STAYS} qx vm clone NAME COPY makes a VM of another name."),
    ("vm", ("eject", "unmount", "umount"), "qx vm detach NAME DRIVE takes the medium out of a drive."),
    ("vm", ("insert", "mount", "change-media"), "qx vm attach NAME --iso IMAGE puts a medium into a drive."),
    ("vm", ("attach-disk", "add-disk"), "qx vm attach NAME --disk SIZE, or --volume VOLUME."),
    ("vm", ("attach-interface", "add-nic"), "qx vm attach NAME --network NETWORK."),
    ("vm", ("detach-disk", "detach-interface", "unplug"), "qx vm detach NAME DEVICE."),
    ("vm", ("move", "relocate", "move-disk"),
     "qx vm migrate NAME moves it to another host, qx volume move VOLUME --pool POOL a disk of it."),
    ("vm", ("import", "importdisk", "upload", "define", "register"), _UPLOADS),
    ("vm", ("export", "download", "exportovf"),
     "There is no export; qx vm show NAME -o yaml is the VM without its data."),
    ("vm", ("config", "configure"), "qx vm show NAME shows what it has, qx vm set NAME changes it."),
    ("vm", ("dumpxml", "yaml"), "qx vm show NAME -o yaml."),
    ("vm", ("ip", "domifaddr"), "qx vm list shows the addresses."),
    ("vm", ("log", "logs", "events"), "qx vm explain NAME says what happened, qx vm console NAME what it "
     "writes to its serial port."),
    # virsh means the plug by it, Proxmox the VM with its disks
    ("vm", ("destroy", "terminate"),
     "qx vm stop NAME --now pulls the plug; what removes a VM is qx vm delete NAME."),
    ("volume", ("attach", "mount"), "qx vm attach VM --volume VOLUME."),
    ("volume", ("detach", "unmount", "umount"), "qx vm detach VM DEVICE, by the name of the disk in the VM."),
    ("volume", ("clone", "copy"), "qx volume create COPY --from VOLUME."),
    ("volume", ("rename", "mv"), f"{_NAME_STAYS} qx volume create COPY --from VOLUME makes one of another."),
    ("volume", ("migrate", "relocate"), "qx volume move VOLUME --pool POOL."),
    ("vm", ("restore", "revert", "rollback"),
     "qx snapshot restore SNAPSHOT sets a VM back; qx snapshot list has those of all VMs."),
    ("vm", ("snapshots",), "qx snapshot list."),
    ("volume", ("snapshot",), "qx vm snapshot VM --disk DISK: all disks of a VM, or some, at one moment."),
    ("volume", ("restore", "revert", "rollback"), "qx snapshot restore SNAPSHOT --disk DISK."),
    ("snapshot", ("create", "take", "new", "add"), "qx vm snapshot VM."),
    ("snapshot", ("revert", "rollback", "apply"), "qx snapshot restore SNAPSHOT."),
    ("snapshot", ("clone", "copy"), "qx volume create NAME --from-snapshot SNAPSHOT --disk DISK."),
    ("image", ("download", "pull", "fetch"), "qx image create NAME --url URL has a host fetch it."),
    ("image", ("rename", "mv"), f"{_NAME_STAYS} qx image upload FILE --name NAME makes one of another."),
    ("image", ("mount", "attach", "insert"), "qx vm attach VM --iso IMAGE puts a medium into a drive."),
    ("network", ("attach", "connect"), "qx vm attach VM --network NETWORK."),
)  # fmt: skip
_ASKS_STATE = ("status", "state", "stat", "ps", "domstate")

_ADDRESS = ("--ip", "--address", "--addr", "--ip-address")
_MEDIUM = ("--cdrom", "--cd", "--dvd", "--medium")
# of noun, verb and options: what says it here
_OPTIONS: tuple[tuple[str, tuple[str, ...], tuple[str, ...], str], ...] = (
    ("vm", ("create", "attach"), _ADDRESS, "--network NET,address=A"),
    ("vm", ("create", "attach"), ("--mac",), "--network NET,mac=M"),
    ("vm", ("create", "attach"), ("--nic", "--net", "--bridge", "--portgroup"), "--network NET"),
    ("vm", ("create", "attach"), _MEDIUM, "--iso IMAGE"),
    ("vm", ("create", "attach"), ("--storage", "--datastore"), "--pool POOL"),
    ("vm", ("create",), ("--template", "--from"), "--image IMAGE"),
    ("vm", ("create", "set"), ("--cpus", "--vcpus", "--cores"), "--cpu N"),
    ("vm", ("create", "set"), ("--ram", "--mem"), "--memory SIZE"),
    ("vm", ("create", "set"), ("--flavor",), "--type TYPE"),
    ("vm", ("attach",), ("--size",), "--disk SIZE"),
    ("vm", ("set",), ("--size", "--disk"), "qx volume resize VOLUME SIZE"),
    ("vm", ("set",), _MEDIUM, "qx vm attach NAME --iso IMAGE"),
    ("vm", ("set",), ("--network",), "qx vm attach NAME --network NET"),
    ("volume", ("set",), ("--size",), "qx volume resize VOLUME SIZE"),
    ("volume", ("set",), ("--pool",), "qx volume move VOLUME --pool POOL"),
    ("volume", ("create", "upload", "move"), ("--storage", "--datastore"), "--pool POOL"),
)  # fmt: skip


def verb_elsewhere(noun: str, written: str) -> str:
    """The sentence that says what does here what this verb does elsewhere; "" where none is known, and
    for no noun.
    """
    word = written.lower()
    if noun and word in _ASKS_STATE:
        return _STATE.format(noun=noun)
    return next((said for of, verbs, said in _ELSEWHERE if of == noun and word in verbs), "")


def option_elsewhere(noun: str, verb: str, option: str) -> str:
    """The option, or the command, that says here what `option` of `qx NOUN VERB` says elsewhere; else ""."""
    found = (
        meant for of, verbs, options, meant in _OPTIONS if of == noun and verb in verbs and option in options
    )
    return next(found, "")
