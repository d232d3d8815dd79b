"""Messages about images: where their files come from, and what is wrong with one. Data only."""

from __future__ import annotations

from quantix_api.message_template import NOTHING_TO_DO, Template

# a disk keeps the name of its image for good, and no command attaches one that is made of an image
_ADD = "or add the image; it then goes on by itself"
_TAKE_ITS_PLACE = "qx vm attach {name} --volume VOLUME and qx vm detach {name} {disk}"

IMAGE_TEMPLATES: tuple[Template, ...] = (
    Template(
        "ImageNotFound",
        "VirtualMachine",
        "There is no image {image} here; {near} is near.",
        f"qx vm delete {{name}}, for it has no data yet, and create it again with image {{near}}; {_ADD}",
    ),
    Template(
        "ImageNotFound",
        "VirtualMachine",
        "There is no image {image} here.",
        f"qx vm delete {{name}}, for it has no data yet, and create it again with another image; {_ADD}",
    ),
    Template(
        "ImageNotFound",
        "VirtualMachine",
        "There is no image {image} here for disk {disk}; {near} is near.",
        f"qx volume create VOLUME --image {{near}}, {_TAKE_ITS_PLACE}; {_ADD}",
    ),
    Template(
        "ImageNotFound",
        "VirtualMachine",
        "There is no image {image} here for disk {disk}.",
        f"qx volume create VOLUME --image IMAGE, {_TAKE_ITS_PLACE}; {_ADD}",
    ),
    Template(
        "ImageNotFound",
        "VirtualMachine",
        "There is no image {image} here.",
        "correct {path}, or add the image; it then goes on by itself",
    ),
    Template(
        "ImageNotFound",
        "VirtualMachine",
        "Image {going} is being deleted.",
        "add it again when it is gone; it then goes on by itself",
    ),
    Template(
        "ImageDownloading", "Image, VirtualMachine, Volume", "{image} is being downloaded.", NOTHING_TO_DO
    ),
    Template(
        "ImageDownloading",
        "Image, VirtualMachine, Volume",
        "{image} waits for its turn: host {host} downloads as many images of namespace {namespace}, or of "
        "all, as it does at once.",
        NOTHING_TO_DO,
    ),
    Template("ImageDownloading", "Image", "{sent} is being sent.", NOTHING_TO_DO),
    Template("Verifying", "Image", "The file is there and is being checked.", NOTHING_TO_DO),
    Template("Verified", "Image", "The file is there and was checked."),
    Template("WaitingForUpload", "Image", "The file was not sent yet.", "qx image upload FILE --name {name}"),
    Template(
        "WaitingForUpload",
        "Image, VirtualMachine, Volume",
        "Neither {host} nor any other host has its file any more, so it waits for the same file again.",
        "qx image upload FILE --name {name}",
    ),
    Template(
        "WaitingForUpload",
        "Image",
        "{done} of {total} arrived before the last upload broke off.",
        "qx image upload FILE --name {name}, which goes on from there",
    ),
    Template(
        "WaitingForUpload",
        "Volume, VirtualMachine",
        "The file of volume {volume} was not sent yet.",
        "qx volume upload FILE --name {volume}",
    ),
    Template(
        "WaitingForUpload",
        "Volume, VirtualMachine",
        "{done} of {total} of the file of volume {volume} arrived before the last upload broke off.",
        "qx volume upload FILE --name {volume}, which goes on from there",
    ),
    Template(
        "ImageUnreachable",
        "Image",
        "{server} answered {code} for {file}; asked again in {minutes} min.",
        "correct spec.url",
    ),
    Template("ImageUnreachable", "Image", "{what}; asked again in {again}.", "{hint}"),
    Template(
        "ImageUnreachable",
        "Image",
        "{server} answered {code} for {file}.",
        "check spec.url, or ask its owner",
    ),
    Template(
        "ImageUnreachable",
        "Image",
        "{file} could not be fetched from {server}: {why}.",
        "check the network; if the address is wrong, make a new image with another spec.url",
    ),
    Template(
        "ImageUnreachable",
        "Image",
        "The download from {server} broke off: {why}.",
        "check the network, or use another server",
    ),
    Template(
        "ImageUnreachable",
        "Image",
        "{server} is too slow: it sent less than {least} in {window}.",
        "use another server, or send the file with qx image upload",
    ),
    Template(
        "ImageUnreachable",
        "Image",
        "{server} is too slow: {sent} of the {promised} that it promised came in {minutes} min, and all of "
        "it has to come within {hours} h.",
        "use another server, or send the file with qx image upload",
    ),
    Template(
        "ImageUnreachable",
        "Image",
        "{server} redirects more than {redirects} times.",
        "name the final address in spec.url of a new image",
    ),
    Template(
        "ImageUnreachable",
        "Image",
        "{server} redirects to something that is no address.",
        "name the final address in spec.url of a new image",
    ),
    Template(
        "ImageUnreachable",
        "Image",
        "{found} of {wanted} bytes arrived.",
        "send an upload again; a download is tried again by itself",
    ),
    Template("ImageUnreachable", "Image", "The upload broke off.", "the same command again goes on"),
    Template(
        "ImageUnreachable",
        "Image",
        "The first {kept} bytes are not what was kept of the file any more, so it begins anew.",
        "send an upload again; a download is tried again by itself",
    ),
    Template(
        "ImageUnreachable",
        "Image",
        "The upload is too slow: less than {least} came in {window}.",
        "send it again over a faster network",
    ),
    Template(
        "ImageUnreachable",
        "Image",
        "The upload is too slow: {sent} of {promised} came in {minutes} min, and all of it has to come "
        "within {hours} h.",
        "the same command again goes on; send it over a faster network",
    ),
    Template(
        "AddressRefused",
        "Image",
        "{server} leads to {address}, which a host, its network or Ceph has; images are not fetched there.",
        "qx image upload, or an administrator who adds it to imageAddressesAllowed of ConfigMap "
        "quantix-cluster; it then goes on by itself",
    ),
    Template(
        "AddressRefused",
        "Image",
        "{server} leads to {address}; an administrator lets no image come from {range}.",
        "put the file on another server, or send it with qx image upload",
    ),
    Template(
        "AddressRefused",
        "Image",
        "{odd} is neither a name nor an address as servers are usually written.",
        "an address such as 192.0.2.1 or [2001:db8::1] in spec.url of a new image",
    ),
    Template(
        "AddressRefused",
        "Image",
        "{key} of ConfigMap {map} names {text}, which is no range of addresses; no image is fetched.",
        "kubectl edit configmap quantix-cluster -n quantix-system; ranges look like 10.0.0.0/8",
    ),
    Template("AddressRefused", "Image", "{scheme} is no way to fetch an image.", "use http or https"),
    Template(
        "AddressRefused",
        "Image",
        "{server} redirects from https to {scheme}, so what arrives could be anybody's.",
        "name the final address in spec.url of a new image",
    ),
    Template(
        "ChecksumMismatch",
        "Image",
        "The file has sha256 {found}, the image says {wanted}; nothing was kept.",
        "correct the sum, or find out who changed the file",
    ),
    Template(
        "ImageRefused",
        "Image, Volume, VirtualMachine",
        "The file names another file as its backing file, which could read the host's disk.",
        "qemu-img convert -O qcow2 IN OUT, upload OUT",
    ),
    Template(
        "ImageRefused",
        "Image",
        "The file describes a disk of {size}; spec.maxVirtualSize allows {limit}.",
        "raise maxVirtualSize in a new image (qx image upload --max-size), or use a smaller file",
    ),
    Template(
        "ImageRefused",
        "Volume, VirtualMachine",
        "The file describes a disk of {size}; the volume takes one of {most_of_volume} at most.",
        "delete the volume and make it with a spec.size of {size} or more (qx volume upload --size)",
    ),
    Template(
        "ImageRefused",
        "Volume, VirtualMachine",
        "The file is {length} long; the volume takes a disk of {most_of_volume} at most.",
        "delete the volume and make it with a larger spec.size (qx volume upload --size)",
    ),
    Template(
        "ImageRefused",
        "Image, Volume, VirtualMachine",
        "The file is {found}, but its format was said to be {wanted}.",
        "make it anew with format {found} or Auto",
    ),
    Template(
        "ImageRefused",
        "Image, Volume, VirtualMachine",
        "The file is no disk image that Quantix knows. Said: {said}.",
        "use a qcow2, raw or ISO file",
    ),
    Template(
        "ImageRefused",
        "Image, Volume, VirtualMachine",
        "QEMU cannot read the file as {format}. Said: {said}.",
        "check the file: qemu-img check FILE",
    ),
    Template(
        "ImageRefused",
        "Image, Volume, VirtualMachine",
        "The file is {kind}; Qcow2, Raw and ISO are taken.",
        "unpack it first: {command}",
    ),
    Template(
        "ImageRefused",
        "Image, Volume, VirtualMachine",
        "The file is {kind}; Qcow2, Raw and ISO are taken.",
        "qemu-img convert -O qcow2 IN OUT, upload OUT",
    ),
    Template(
        "ImageRefused",
        "Image, Volume, VirtualMachine",
        "The file {feature}, which is not taken.",
        "qemu-img convert -O qcow2 IN OUT, upload OUT",
    ),
    Template(
        "ImageRefused",
        "Image, Volume, VirtualMachine",
        "The file is damaged: {flaw}.",
        "qemu-img check -r all FILE, or fetch it again",
    ),
    Template(
        "ImageRefused",
        "Image, Volume, VirtualMachine",
        "The file is no qcow2, no ISO, and no disk with a boot sector.",
        "check what it is; a raw disk without boot sector is sent with --format {format}",
    ),
    Template(
        "ImageRefused",
        "Image",
        "The file is {length} long, more than spec.maxVirtualSize {limit} allows.",
        "raise maxVirtualSize in a new image (qx image upload --max-size), or use a smaller file",
    ),
    Template(
        "ImageRefused",
        "Volume, VirtualMachine",
        "The image unpacks to more than {most}, out of all proportion to its file; it is not copied.",
        "upload the output of qemu-img convert -O qcow2 IN OUT; an image may do with copyMode Linked",
    ),
    Template(
        "ImageRefused",
        "Volume, VirtualMachine",
        "A full copy of the image takes more than {cpu} of CPU time, out of all proportion to its file.",
        "upload the output of qemu-img convert -O qcow2 IN OUT; an image may do with copyMode Linked",
    ),
    Template(
        "ImageRefused",
        "Image",
        "{path} is not built yet, so no image comes of it.",
        "copy the disk, then qx image upload FILE --name NAME with another name",
    ),
)
