"""Which domains another host may have made here, and what they become on the way."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from quantix_api.errors import InvariantError
from quantix_api.identity import nic_port_name
from quantix_hostd.domainxml.memory import QEMU_NAMESPACE
from quantix_hostd.domainxml.spec import tap_name
from quantix_hostd.domainxml.view import differences, view
from quantix_hostd.migration.sent_domain import Awaited, why_not
from quantix_hostd.migration.target_xml import target_xml
from quantix_lab.domain_samples import PORT, UID
from quantix_lab.vm_world import CLUSTER

GOLDEN = Path(__file__).parents[1] / "domainxml" / "golden"
MOVABLE = sorted(path.stem for path in GOLDEN.glob("*.xml") if path.stem not in ("host-devices",))
GUEST = Awaited(
    UID,
    CLUSTER,
    rooms=(Path("/q"),),
    bridge="qx-int",
    images=frozenset({("fast", "quantix/1111")}),
    secrets=frozenset({UID}),
)


def golden(name: str) -> str:
    """A sample, with the ports that its NICs have in this cluster."""
    text = (GOLDEN / f"{name}.xml").read_text()
    for nic, made_up in (("eth0", PORT), ("eth1", PORT.replace("0b8f", "1c9a"))):
        port = nic_port_name(CLUSTER, UID, nic)
        text = text.replace(made_up, port).replace(tap_name(made_up), tap_name(port))
    return text


MINIMAL = golden("minimal")
NETWORKED = golden("kernel-datapath")
IN_CEPH = golden("in-ceph")
UEFI = golden("uefi")
DISK = '<source file="/q/data">'
VNC = '<listen type="socket" socket="/q/run/vnc.sock" />'
SERIAL = '<source mode="bind" path="/q/run/serial.sock">'
END = "</devices>"
# what the sample closes its disk's chain with
CLOSED = "<backingStore />"


def refusal(xml: str) -> str:
    return why_not(GUEST, ElementTree.fromstring(xml))


@pytest.mark.parametrize("name", MOVABLE)
def test_what_quantix_makes_may_come(name: str) -> None:
    assert refusal(golden(name)) == ""


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (DISK, '<source file="/etc/shadow">'),
        (DISK, '<source file="/q/../etc/shadow">'),
        (DISK, '<source file="etc/shadow">'),
        (DISK, '<source file="q/data">'),
        (DISK, '<source dev="/dev/sda">'),
        (DISK, '<source file="/usr/share/OVMF/OVMF_CODE_4M.fd">'),
        (DISK, '<source file="/q/data" startupPolicy="optional">'),
        (DISK, '<source file="/q/data"><reservations managed="yes"/>'),
        (DISK, '<source protocol="nbd" name="x"><host name="10.0.0.1" port="10809"/>'),
        (DISK, '<source protocol="http" name="x"><host name="10.0.0.1" port="80"/>'),
        (DISK, '<source protocol="iscsi" name="iqn.a:b/1"><host name="10.0.0.1"/>'),
        (DISK, '<source protocol="nfs" name="x"><host name="10.0.0.1"/>'),
        (DISK, '<source file="/q/data"><slices><slice type="storage" offset="0" size="1"/></slices>'),
        ('<disk type="file" device="disk">', '<disk type="block" device="disk">'),
        ('<disk type="file" device="disk">', '<disk type="volume" device="disk">'),
        ('<disk type="file" device="disk">', '<disk type="file" device="lun" rawio="yes">'),
        ('<seclabel model="dac" relabel="no" />', '<seclabel model="dac"><label>+0:+0</label></seclabel>'),
        ('<seclabel model="dac" relabel="no" />', '<seclabel model="dac" relabel="yes" />'),
        (CLOSED, ""),
        (CLOSED, '<backingStore type="file"><format type="qcow2"/><source file="/q/data"/></backingStore>'),
        (CLOSED, '<backingStore type="file"><format type="raw"/><source file="/etc/x"/></backingStore>'),
        (CLOSED, '<mirror type="file" file="/q/data"/><backingStore/>'),
        (f'uid="{UID}"', 'uid="other"'),
        ('renderer="1"', 'renderer="one"'),
        ("<devices>", '<devices><filesystem type="mount"><source dir="/"/><target dir="x"/></filesystem>'),
        ("<devices>", '<devices><hostdev mode="subsystem" type="pci"/>'),
        ("<devices>", '<devices><hostdev mode="subsystem" type="pci"><alias name="ua-x"/></hostdev>'),
        ("<devices>", '<devices><shmem name="x"><model type="ivshmem-plain"/></shmem>'),
        ("<devices>", '<devices><lease><key>a</key><target path="/q/lease"/></lease>'),
        ("<devices>", '<devices><crypto model="virtio" type="qemu"/>'),
        ("<devices>", '<devices><redirdev bus="usb" type="tcp"><source mode="connect" host="a"/></redirdev>'),
        ("<devices>", '<devices><smartcard mode="host"/>'),
        ("<devices>", '<devices><vsock model="virtio"><cid auto="yes"/></vsock>'),
        ("<devices>", '<devices><sound model="ich9"/>'),
        ("<devices>", '<devices><serial type="dev"><source path="/dev/ttyS0"/></serial>'),
        ("<devices>", '<devices><serial type="tcp"><source mode="bind" host="0.0.0.0"/></serial>'),
        ("<devices>", '<devices><serial><source path="/q/run/x"/></serial>'),
        ("<devices>", '<devices><channel type="spicevmc"><target type="virtio"/></channel>'),
        ("<devices>", '<devices><interface type="direct"><source dev="eth0"/></interface>'),
        ("<devices>", "<devices><interface/>"),
        ("<devices>", '<devices><rng model="virtio"><backend model="egd" type="tcp"/></rng>'),
        ("<devices>", '<devices><tpm><backend type="passthrough"><device path="/dev/tpm0"/></backend></tpm>'),
        ("<devices>", '<devices><memory model="nvdimm"><source><path>/q/data</path></source></memory>'),
        (SERIAL, '<source mode="connect" path="/q/run/serial.sock">'),
        (SERIAL, '<source mode="bind" path="run/serial.sock">'),
        (SERIAL, '<source mode="bind" path="/run/other.sock">'),
        (VNC, '<listen type="address" address="0.0.0.0" />'),
        (VNC, '<listen type="network" network="default" />'),
        (VNC, ""),
        (VNC, VNC + '<listen type="address" address="0.0.0.0" />'),
        ('<graphics type="vnc">', '<graphics type="vnc" port="5900" listen="0.0.0.0">'),
        ('<graphics type="vnc">', '<graphics type="vnc" passwd="">'),
        ('<graphics type="vnc">', '<graphics type="spice">'),
        ('<graphics type="vnc">', '<graphics type="egl-headless"><gl rendernode="/dev/dri/renderD128"/>'),
        ('<audio id="1" type="none" />', '<audio id="1" type="file" path="/q/data" />'),
        ('<audio id="1" type="none" />', '<audio id="1" />'),
        ("/usr/bin/qemu-system-x86_64", "/tmp/program"),
        ("/usr/bin/qemu-system-x86_64", "qemu-system-x86_64"),
        ("/dev/urandom", "/dev/random"),
        (END, f'{END}<commandline xmlns="{QEMU_NAMESPACE}"><arg value="-chardev"/></commandline>'),
        (END, f'{END}<commandline xmlns="{QEMU_NAMESPACE}"><env name="A" value="b"/></commandline>'),
        (END, END + '<seclabel type="static" model="dac"><label>+0:+0</label></seclabel>'),
        (END, END + '<seclabel model="dac"><label>+0:+0</label></seclabel>'),
        (END, END + '<seclabel type="dynamic" model="dac"><baselabel>+0:+0</baselabel></seclabel>'),
        (END, END + '<seclabel type="none"/>'),
        (END, END + "<resource><partition>/system.slice</partition></resource>"),
        (END, END + '<launchSecurity type="sev"/>'),
        (END, END + '<idmap><uid start="0" target="0" count="1"/></idmap>'),
        ("<on_crash>preserve", "<on_crash>coredump-restart"),
        ('<type arch="x86_64"', '<kernel>/boot/vmlinuz</kernel><type arch="x86_64"'),
        ('<type arch="x86_64"', '<kernel>vmlinuz</kernel><type arch="x86_64"'),
        ('<type arch="x86_64"', '<acpi><table type="slic">/q/data</table></acpi><type arch="x86_64"'),
        ("<vmcoreinfo", '<kvm><hidden state="on"/></kvm><vmcoreinfo'),
        ("<iothreads>", '<memoryBacking><source type="file"/></memoryBacking><iothreads>'),
        ("<iothreads>", '<memoryBacking><access mode="shared"/></memoryBacking><iothreads>'),
        ("<iothreads>", "<memoryBacking><locked/></memoryBacking><iothreads>"),
        ("<iothreads>", '<cputune><vcpusched vcpus="0" scheduler="fifo"/></cputune><iothreads>'),
        ("<iothreads>", '<cputune><emulatorpin cpuset="0-99999999"/></cputune><iothreads>'),
        ("<iothreads>", "<blkiotune><device><path>/dev/sda</path></device></blkiotune><iothreads>"),
    ],
)
def test_anything_else_may_not(was: str, becomes: str) -> None:
    assert was in MINIMAL
    assert refusal(MINIMAL.replace(was, becomes)).startswith("a domain with")


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (VNC, ""),
        ("</os>", '<boot dev="hd"/></os>'),
        (END, '<input type="mouse" bus="ps2"/><controller type="usb" model="none"/></devices>'),
        (END, '<console type="unix"><source mode="bind" path="/q/run/serial.sock"/></console></devices>'),
        (END, END + "<resource><partition>/machine</partition></resource>"),
        (END, END + '<seclabel type="dynamic" model="apparmor" relabel="yes"/>'),
        (DISK, '<source file="/q/data" index="1">'),
        ("<iothreads>", '<vcpus><vcpu id="0" enabled="yes" hotpluggable="no" order="1"/></vcpus><iothreads>'),
        ('renderer="1"', 'renderer="2" ofLaterVersions="x"'),
    ],
)
def test_what_libvirt_adds_may_come(was: str, becomes: str) -> None:
    bare = MINIMAL.replace('<graphics type="vnc">', '<graphics type="vnc" socket="/q/run/vnc.sock">')
    assert was in bare
    assert refusal(bare.replace(was, becomes)) == ""


PORT_HERE = nic_port_name(CLUSTER, UID, "eth0")
OTHERS = nic_port_name(CLUSTER, "another-vm", "eth0")


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('<interface type="bridge">', '<interface type="direct">'),
        ('<interface type="bridge">', '<interface type="user">'),
        ('<interface type="bridge">', '<interface type="vhostuser">'),
        ('<interface type="bridge">', "<interface>"),
        ('bridge="qx-int"', 'bridge="br-ex"'),
        ('bridge="qx-int"', 'dev="eth0" mode="passthrough"'),
        ('<virtualport type="openvswitch">', '<virtualport type="midonet">'),
        (PORT_HERE, OTHERS),
        (tap_name(PORT_HERE), tap_name(OTHERS)),
        (tap_name(PORT_HERE), "qxh0"),
        ('<alias name="ua-eth0" />', ""),
        ('<mtu size="1442" />', '<mtu size="1442" /><script path="/q/data"/>'),
        ('<mtu size="1442" />', '<mtu size="1442" /><script path="data"/>'),
        ('<mtu size="1442" />', '<mtu size="1442" /><vlan><tag id="7"/></vlan>'),
        ('<mtu size="1442" />', '<mtu size="1442" /><filterref filter="x"/>'),
        ('<mtu size="1442" />', '<mtu size="1442" /><backend tap="/dev/net/tun"/>'),
    ],
)
def test_no_nic_comes_but_on_its_own_port(was: str, becomes: str) -> None:
    assert was in NETWORKED
    assert refusal(NETWORKED.replace(was, becomes)).startswith("a domain with")


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("quantix/1111", "quantix/2222"),
        ("quantix/1111", "other/1111"),
        ('usage="quantix/fast"', 'usage="quantix/other"'),
        ('usage="quantix/fast"', f'uuid="{UID}"'),
        ('protocol="rbd"', 'protocol="gluster"'),
        ('<auth username="quantix">', '<config file="/etc/ceph/ceph.conf"/><auth username="quantix">'),
        ('<host name="10.1.0.1" port="6789" />', '<host transport="unix" socket="/run/x"/>'),
        # of another format its content would say which file is beneath it
        ('type="raw" cache="none"', 'type="vmdk" cache="none"'),
    ],
)
def test_nothing_in_ceph_comes_but_its_own_volumes(was: str, becomes: str) -> None:
    assert was in IN_CEPH
    assert refusal(IN_CEPH.replace(was, becomes)).startswith("a domain with")


def test_content_in_ceph_never_says_what_is_beneath_it() -> None:
    wild = IN_CEPH.replace('type="raw"', 'type="qcow2"')
    assert refusal(wild) == ""
    assert refusal(wild.replace(CLOSED, "")) == "a domain with a disk whose chain is not closed"


def test_no_secret_opens_but_its_own() -> None:
    encrypted = golden("encrypted")
    assert refusal(encrypted.replace(f'passphrase" uuid="{UID}"', 'passphrase" uuid="other"')) == (
        "a domain with the secret other"
    )


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/q/data"),
        ("/usr/share/OVMF/OVMF_VARS_4M.fd", "/etc/shadow"),
        (">/q/nvram.fd<", ">nvram.fd<"),
        ("<nvram ", '<nvram type="network" '),
    ],
)
def test_no_firmware_comes_but_this_hosts(was: str, becomes: str) -> None:
    assert was in UEFI
    assert refusal(UEFI.replace(was, becomes)).startswith("a domain with")


def test_what_is_sent_is_the_same_guest_under_the_next_epoch() -> None:
    sent = target_xml(MINIMAL, 4, ())
    assert differences(view(sent), view(MINIMAL)) == ()
    assert (metadata := view(sent).metadata) is not None
    assert metadata.epoch == 4
    assert refusal(sent) == ""


def test_a_local_disk_is_sent_without_what_it_is_based_on() -> None:
    based = golden("on-an-image")
    assert len(ElementTree.fromstring(based).findall(".//backingStore")) > 1
    sent = ElementTree.fromstring(target_xml(based, 4, ("vda",)))
    below = [disk.findall("backingStore") for disk in sent.findall("devices/disk") if _dev(disk) == "vda"]
    assert [[len(store) for store in stores] for stores in below] == [[0]]


def test_a_disk_in_ceph_is_opened_there_as_the_user_that_that_host_is() -> None:
    here = golden("in-ceph")
    (user,) = {auth.get("username") for auth in ElementTree.fromstring(here).iter("auth")}
    sent = target_xml(here, 4, (), lambda pool: f"{user}.of-{pool}")
    users = [auth.get("username") for auth in ElementTree.fromstring(sent).iter("auth")]
    assert set(users) == {f"{user}.of-fast"}
    assert target_xml(here, 4, ()) == target_xml(here, 4, (), lambda _: str(user))


def test_a_domain_that_is_not_ours_is_not_sent() -> None:
    with pytest.raises(InvariantError):
        target_xml("<domain><name>other</name></domain>", 2, ())


def _dev(disk: ElementTree.Element) -> str:
    target = disk.find("target")
    return "" if target is None else target.get("dev", "")
