"""What a domain that another host sends may have: each element and attribute, and what it may say. Data only.

Made of what the renderer (`domainxml`) writes and of what libvirt adds to that by itself when it formats a
domain for a migration (libvirt 9.0, src/conf/domain_conf.c): addresses, aliases, whether something is plugged
in, the features of a CPU, companions of devices. `sent_domain` refuses whatever is not here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from quantix_hostd.domainxml.memory import QEMU_NAMESPACE, UNEVEN_RAM
from quantix_hostd.domainxml.spec import METADATA_NAMESPACE

Rules = Mapping[str, str]
"""By attribute, "#" for the text, "*" for any other: a regular expression for all of the value, or one of the
kinds below.
"""

FILE = "<file>"
"""A file or socket that is for this VM."""
EMULATOR = "<emulator>"
FIRMWARE = "<firmware>"

_ANY = "(?s:.*)"
_WORD = r"[\w.:+-]{1,128}"
_COUNT = "[0-9]{1,20}"
_INTEGER = f"-?{_COUNT}"
_PLACE = "0x[0-9a-f]{1,8}|0|[1-9][0-9]{0,9}"
_RANGE = "[0-9]{1,4}(-[0-9]{1,4})?"
_CPUS = f"{_RANGE}(,{_RANGE}){{0,255}}"
_SWITCH = "on|off|yes|no"
_NONE: Rules = {}
_NUMBER: Rules = {"#": _INTEGER}
_SIZE: Rules = {"unit": _WORD, "#": _COUNT}
_OUR_LABEL: Rules = {"model": "dac", "relabel": "no"}
_SECRET: Rules = {"type": "passphrase", "uuid": _WORD}
_UNEVEN = re.escape(UNEVEN_RAM)
_UNEVEN_SIZE = "size=[0-9]{1,12}k"
_OFFLOADS = ("csum", "gso", "tso4", "tso6", "ecn", "ufo", "mrg_rxbuf")
_ADDRESS_NUMBERS = ("domain", "bus", "slot", "function", "controller", "target", "unit", "port", "iobase")

_DOMAIN: Mapping[str, Rules] = {
    "": {"type": "kvm|qemu", "id": _COUNT},
    "name": {"#": _WORD},
    "uuid": {"#": _WORD},
    "title": {"#": _ANY},
    "metadata": _NONE,
    # libvirt reads nothing of it, and a newer hostd may say more
    f"metadata/{{{METADATA_NAMESPACE}}}vm": {
        **dict.fromkeys(("epoch", "generation", "renderer"), _COUNT),
        "*": _ANY,
    },
    f"{{{QEMU_NAMESPACE}}}commandline": _NONE,
    f"{{{QEMU_NAMESPACE}}}commandline/{{{QEMU_NAMESPACE}}}arg": {
        "value": f"-object|-machine|-m|{_UNEVEN_SIZE}|memory-backend={_UNEVEN}"
        f"|memory-backend-ram,id={_UNEVEN},{_UNEVEN_SIZE}"
    },
    "maxMemory": {**_SIZE, "slots": _COUNT},
    "memory": _SIZE,
    "currentMemory": _SIZE,
    "memoryBacking": _NONE,
    "memoryBacking/hugepages": _NONE,
    "memoryBacking/hugepages/page": {"size": _COUNT, "unit": _WORD},
    "memoryBacking/source": {"type": "memfd"},
    "vcpu": {"placement": "static", "current": _COUNT, "#": _COUNT},
    "vcpus": _NONE,
    "vcpus/vcpu": {"id": _COUNT, "enabled": _SWITCH, "hotpluggable": _SWITCH, "order": _COUNT},
    "iothreads": _NUMBER,
    "iothreadids": _NONE,
    "iothreadids/iothread": {"id": _COUNT},
    "cputune": _NONE,
    "cputune/shares": _NUMBER,
    "cputune/global_period": _NUMBER,
    "cputune/global_quota": _NUMBER,
    "cputune/vcpupin": {"vcpu": _COUNT, "cpuset": _CPUS},
    "cputune/emulatorpin": {"cpuset": _CPUS},
    "cputune/iothreadpin": {"iothread": _COUNT, "cpuset": _CPUS},
    "numatune": _NONE,
    "numatune/memory": {"mode": _WORD, "nodeset": _CPUS},
    "numatune/memnode": {"cellid": _COUNT, "mode": _WORD, "nodeset": _CPUS},
    # a control group, and no file
    "resource": _NONE,
    "resource/partition": {"#": "/machine"},
    "sysinfo": {"type": "smbios"},
    "sysinfo/system": _NONE,
    "sysinfo/system/entry": {"name": _WORD, "#": _ANY},
    "sysinfo/chassis": _NONE,
    "sysinfo/chassis/entry": {"name": _WORD, "#": _ANY},
    "os": _NONE,
    "os/type": {"arch": "x86_64", "machine": _WORD, "#": "hvm"},
    "os/loader": {"readonly": "yes", "secure": _SWITCH, "type": "pflash", "format": "raw", "#": FIRMWARE},
    "os/nvram": {"template": FIRMWARE, "templateFormat": "raw", "format": "raw", "#": FILE},
    # of a guest that can boot from nothing
    "os/boot": {"dev": _WORD},
    "os/bootmenu": {"enable": _SWITCH, "timeout": _COUNT},
    "os/smbios": {"mode": "sysinfo"},
    "features": _NONE,
    "features/acpi": _NONE,
    "features/apic": _NONE,
    "features/vmcoreinfo": {"state": _SWITCH},
    "features/smm": {"state": _SWITCH},
    "features/hyperv": {"mode": "custom"},
    **{
        f"features/hyperv/{name}": {"state": _SWITCH, "retries": _COUNT}
        for name in (
            *("relaxed", "vapic", "vpindex", "runtime", "synic", "frequencies"),
            *("tlbflush", "ipi", "reset", "spinlocks", "stimer"),
        )
    },
    "cpu": {"mode": "custom|host-passthrough", "match": _WORD, "check": _WORD, "migratable": _SWITCH},
    "cpu/model": {"fallback": _WORD, "#": f"({_WORD})?"},
    "cpu/vendor": {"#": _WORD},
    "cpu/topology": dict.fromkeys(("sockets", "dies", "clusters", "cores", "threads"), _COUNT),
    "cpu/feature": {"policy": _WORD, "name": _WORD},
    "cpu/numa": _NONE,
    "cpu/numa/cell": {"id": _COUNT, "cpus": _CPUS, "memory": _COUNT, "unit": _WORD},
    "clock": {"offset": _WORD, "timezone": r"[\w/+-]{1,64}", "adjustment": _WORD, "basis": _WORD},
    "clock/timer": {"name": _WORD, "tickpolicy": _WORD, "present": _SWITCH},
    "on_poweroff": {"#": "destroy"},
    "on_reboot": {"#": "restart"},
    "on_crash": {"#": "preserve"},
    "devices": _NONE,
    "devices/emulator": {"#": EMULATOR},
    # whose processes run as libvirt decides: no label is told
    "seclabel": {"type": "dynamic", "model": "dac|apparmor|selinux", "relabel": "yes"},
}
_OF_EVERY_DEVICE: Mapping[str, Rules] = {
    "alias": {"name": _WORD},
    "address": {
        "type": "pci|drive|usb|virtio-serial|isa",
        "multifunction": _SWITCH,
        **dict.fromkeys(_ADDRESS_NUMBERS, _PLACE),
    },
}
_SOURCE: Mapping[str, Rules] = {
    "source": {"file": FILE, "index": _COUNT, "protocol": "rbd", "name": _ANY},
    "source/seclabel": _OUR_LABEL,
    "source/encryption": {"format": "luks", "engine": "qemu"},
    "source/encryption/secret": _SECRET,
    "source/host": {"name": r"[\w.:-]{1,253}", "port": _COUNT},
    "source/auth": {"username": _WORD},
    "source/auth/secret": {"type": "ceph", "usage": _ANY},
}
_SOCKET: Mapping[str, Rules] = {
    "source": {"mode": "bind", "path": FILE},
    "source/seclabel": _OUR_LABEL,
}
_SERIAL: Mapping[str, Rules] = {
    "": {"type": "unix"},
    **_SOCKET,
    "log": {"file": FILE, "append": _SWITCH},
    "target": {"type": "isa-serial|serial", "port": _COUNT},
    "target/model": {"name": "isa-serial"},
}
_DEVICES: Mapping[str, Mapping[str, Rules]] = {
    "disk": {
        "": {"type": "file|network", "device": "disk|cdrom"},
        "driver": {
            "name": "qemu",
            "type": "qcow2|raw",
            "iothread": _COUNT,
            **dict.fromkeys(
                ("cache", "error_policy", "rerror_policy", "io", "discard", "detect_zeroes"), _WORD
            ),
        },
        **_SOURCE,
        # however deep: a chain is one place here
        "backingStore": {"type": "file", "index": _COUNT},
        "backingStore/format": {"type": "qcow2|raw"},
        **{f"backingStore/{path}": rules for path, rules in _SOURCE.items()},
        "target": {"dev": _WORD, "bus": "virtio|scsi|sata", "tray": _WORD},
        "iotune": _NONE,
        "iotune/total_bytes_sec": _NUMBER,
        "iotune/total_iops_sec": _NUMBER,
        "iotune/group_name": {"#": _WORD},
        "readonly": _NONE,
        "serial": {"#": _ANY},
        "boot": {"order": _COUNT},
    },
    "controller": {
        "": {
            "type": "pci|sata|scsi|usb|virtio-serial",
            "index": _COUNT,
            "model": _WORD,
            "ports": _COUNT,
        },
        "model": {"name": _WORD},
        "driver": {"iothread": _COUNT, "queues": _COUNT},
        "target": {"chassis": _PLACE, "port": _PLACE, "hotplug": _SWITCH},
    },
    "interface": {
        "": {"type": "bridge"},
        "mac": {"address": "[0-9a-fA-F:]{17}"},
        # these are compared with what this host makes of the VM
        "source": {"bridge": _WORD},
        "virtualport": {"type": "openvswitch"},
        "virtualport/parameters": {"interfaceid": _WORD},
        "target": {"dev": _WORD},
        "model": {"type": _WORD},
        "driver": {"name": "qemu|vhost", "queues": _COUNT},
        "driver/host": dict.fromkeys(_OFFLOADS, _SWITCH),
        "driver/guest": dict.fromkeys(_OFFLOADS, _SWITCH),
        "boot": {"order": _COUNT},
        "mtu": {"size": _COUNT},
        "link": {"state": "up|down"},
    },
    "serial": _SERIAL,
    # libvirt's second name of the first serial line
    "console": _SERIAL,
    "channel": {
        "": {"type": "unix"},
        **_SOCKET,
        "target": {"type": "virtio", "name": _WORD, "state": _WORD},
    },
    "graphics": {
        "": {"type": "vnc", "socket": FILE},
        "listen": {"type": "socket", "socket": FILE},
    },
    "input": {"": {"type": "tablet|mouse|keyboard", "bus": "usb|ps2"}},
    "audio": {"": {"id": _COUNT, "type": "none"}},
    "video": {
        "": _NONE,
        "model": {
            "type": "virtio|vga|none",
            "primary": _SWITCH,
            **dict.fromkeys(("vram", "vgamem", "heads"), _COUNT),
        },
    },
    "tpm": {
        "": {"model": "tpm-crb"},
        "backend": {"type": "emulator", "version": _WORD, "persistent_state": _SWITCH},
    },
    "watchdog": {"": {"model": "i6300esb|itco", "action": "none|reset"}},
    "memballoon": {
        "": {"model": "virtio", "autodeflate": _SWITCH, "freePageReporting": _SWITCH},
        "stats": {"period": _COUNT},
    },
    "rng": {"": {"model": "virtio"}, "backend": {"model": "random", "#": "/dev/urandom"}},
    "panic": {"": {"model": "isa"}},
    "memory": {
        "": {"model": "virtio-mem"},
        "target": _NONE,
        "target/size": _SIZE,
        "target/node": _NUMBER,
        "target/block": _SIZE,
        "target/requested": _SIZE,
        "target/current": _SIZE,
        "target/address": {"base": _PLACE},
    },
}

ELEMENTS: Mapping[str, Rules] = {
    **_DOMAIN,
    **{
        f"devices/{kind}/{path}".rstrip("/"): rules
        for kind, parts in _DEVICES.items()
        for path, rules in {**_OF_EVERY_DEVICE, **parts}.items()
    },
}
"""By path below the domain, "" for itself."""

NEEDED: Mapping[str, tuple[str, ...]] = {
    "": ("@type",),
    "seclabel": ("@type",),
    "devices/interface": (
        *("@type", "source@bridge", "virtualport@type", "virtualport/parameters@interfaceid"),
        *("target@dev", "alias@name"),
    ),
    "devices/serial": ("@type", "source@path"),
    "devices/console": ("@type", "source@path"),
    "devices/channel": ("@type", "source@path"),
    # libvirt leaves `listen` out of what it sends
    "devices/graphics": ("@type", "@socket|listen@type"),
    "devices/audio": ("@type",),
}
"""What has to be said ("path@attribute", or either of two): without it libvirt would choose something else of
the host.
"""
