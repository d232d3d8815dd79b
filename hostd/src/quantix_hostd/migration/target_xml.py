"""The domain of a guest as it is to be on the host that it moves to, from what libvirt says here. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from xml.etree import ElementTree

from quantix_api.errors import InvariantError
from quantix_hostd.domainxml.ceph import ceph_secret_pool
from quantix_hostd.domainxml.spec import METADATA_NAMESPACE

_MARK = f"metadata/{{{METADATA_NAMESPACE}}}vm"


def target_xml(
    xml: str, epoch: int, local: Collection[str], user_in: Callable[[str], str] = lambda _: ""
) -> str:
    """`xml` under `epoch`, whose disks `local` (by their `dev`) are whole files there: what they are based on
    stays here. `user_in`: as whom that host comes to a StoragePool in Ceph, "" for as this one does. Raises
    InvariantError for a domain without our mark.
    """
    domain = ElementTree.fromstring(xml)
    mark = domain.find(_MARK)
    if mark is None:
        raise InvariantError("InternalError", f"Domain {domain.findtext('name')} has no mark of ours.")
    mark.set("epoch", str(epoch))
    for auth in domain.iterfind("devices/disk/source/auth"):
        secret = auth.find("secret")
        pool = ceph_secret_pool(secret.get("usage", "")) if secret is not None else ""
        if pool and (user := user_in(pool)):
            auth.set("username", user)
    for disk in domain.iterfind("devices/disk"):
        target = disk.find("target")
        if target is not None and target.get("dev") in local:
            for below in disk.findall("backingStore"):
                disk.remove(below)
            ElementTree.SubElement(disk, "backingStore")
    return ElementTree.tostring(domain, encoding="unicode")
