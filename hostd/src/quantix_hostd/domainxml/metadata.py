"""Our mark in a domain: who it belongs to and under which epoch it was started.

Written by the renderer at every define and by `setMetadata` on a running domain; read back by the view.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from quantix_hostd.domainxml.element import Element, element, serialize
from quantix_hostd.domainxml.spec import METADATA_NAMESPACE, DomainSpec

RENDERER_VERSION = 1
METADATA_KEY = "quantix"
_NAME = "vm"
_TAG = f"{{{METADATA_NAMESPACE}}}{_NAME}"

ElementTree.register_namespace(METADATA_KEY, METADATA_NAMESPACE)


@dataclass(frozen=True)
class DomainMetadata:
    vm_uid: str
    namespace: str
    name: str
    epoch: int
    generation: int
    renderer: int = RENDERER_VERSION
    handled_restart_at: str = ""
    cpu_features: str = ""
    cpus: str = ""
    """The host's CPUs that it has to itself, in the order of its vCPUs."""
    devices: str = ""
    """NAME=CLASS of each of the host's devices that it has to itself."""


def metadata_of(spec: DomainSpec) -> DomainMetadata:
    identity, cpu = spec.identity, spec.cpu
    features = [f"+{name}" for name in cpu.required] + [f"-{name}" for name in cpu.disabled]
    return DomainMetadata(
        vm_uid=identity.vm_uid,
        namespace=identity.namespace,
        name=identity.name,
        epoch=identity.epoch,
        generation=identity.generation,
        handled_restart_at=identity.handled_restart_at,
        cpu_features=" ".join(features),
        cpus=",".join(map(str, spec.places.own)),
        devices=" ".join(f"{name}={class_}" for name, class_ in spec.device_classes),
    )


def configure_metadata(spec: DomainSpec) -> list[Element]:
    return [element("metadata", {}, _element(metadata_of(spec)))]


def render_metadata(metadata: DomainMetadata) -> str:
    """The element alone, as `virDomainSetMetadata` takes it: without our namespace, which libvirt adds."""
    node = _element(metadata)
    node.tag = _NAME
    return serialize(node)


def parse_metadata(domain: Element) -> DomainMetadata | None:
    """Our metadata of a domain, or None: then the domain is not ours."""
    node = domain.find(f"metadata/{_TAG}")
    if node is None:
        return None
    return DomainMetadata(
        vm_uid=node.get("uid", ""),
        namespace=node.get("namespace", ""),
        name=node.get("name", ""),
        epoch=int(node.get("epoch", "0")),
        generation=int(node.get("generation", "0")),
        renderer=int(node.get("renderer", "0")),
        handled_restart_at=node.get("handledRestartAt", ""),
        cpu_features=node.get("cpuFeatures", ""),
        cpus=node.get("cpus", ""),
        devices=node.get("devices", ""),
    )


def _element(metadata: DomainMetadata) -> Element:
    return element(
        _TAG,
        {
            "uid": metadata.vm_uid,
            "namespace": metadata.namespace,
            "name": metadata.name,
            "epoch": metadata.epoch,
            "generation": metadata.generation,
            "renderer": metadata.renderer,
            "handledRestartAt": metadata.handled_restart_at,
            "cpuFeatures": metadata.cpu_features,
            **({"cpus": metadata.cpus} if metadata.cpus else {}),
            **({"devices": metadata.devices} if metadata.devices else {}),
        },
    )
