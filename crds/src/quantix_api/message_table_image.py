"""Messages about images: where their files come from, and what is wrong with one. Data only."""

from __future__ import annotations

from quantix_api.message_template import NOTHING_TO_DO, Template

IMAGE_TEMPLATES: tuple[Template, ...] = (
    Template(
        "ImageNotFound",
        "VirtualMachine",
        "There is no image {image} here; {near} is near.",
        "remove the disk and add it again with the right image, or add the image; it then starts by itself",
    ),
    Template(
        "ImageNotFound",
        "VirtualMachine",
        "There is no image {image} here.",
        "remove the disk and add it again with the right image, or add the image; it then starts by itself",
    ),
    Template(
        "ImageNotFound",
        "VirtualMachine",
        "There is no image {image} here.",
        "correct {path}, or add the image; it then starts by itself",
    ),
    Template(
        "ImageNotFound",
        "VirtualMachine",
        "Image {going} is being deleted.",
        "use another image, or add it again when it is gone; it then starts by itself",
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
    Template("Verifying", "Image", "The file is there and is being checked.", NOTHING_TO_DO),
    Template("Verified", "Image", "The file is there and was checked."),
    Template(
        "WaitingForUpload",
        "Image",
        "The file was not sent yet.",
        "qx image upload FILE --name {name}",
    ),
    Template(
        "WaitingForUpload",
        "Image, VirtualMachine, Volume",
        "No pool of {host} has its file any more, so it waits for the same file again.",
        "qx image upload FILE --name {name}",
    ),
    Template(
        "WaitingForUpload",
        "Image",
        "The last upload ended after {done} of {total}; nothing was kept.",
        "qx image upload FILE --name {name}",
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
        "{server} could not be reached for {file}. Said: {said}.",
        "check the network; if the address is wrong, make a new image with another spec.url",
    ),
    Template(
        "ImageUnreachable",
        "Image",
        "{server} broke off in the middle. Said: {said}.",
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
        "{found} of {wanted} bytes arrived; nothing was kept.",
        "send an upload again; a download is tried again by itself",
    ),
    Template("ImageUnreachable", "Image", "The upload broke off; nothing was kept.", "send it again"),
    Template(
        "ImageUnreachable",
        "Image",
        "The upload is too slow: less than {least} came in {window}; nothing was kept.",
        "send it again over a faster network",
    ),
    Template(
        "AddressRefused",
        "Image",
        "{server} leads to {address}, an address of this host or its network; images are not fetched there.",
        "put the file on another server, or send it with qx image upload",
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
        "Image",
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
        "Image",
        "The file is {found}, but spec.format says {wanted}.",
        "make a new image with format {found} or Auto",
    ),
    Template(
        "ImageRefused",
        "Image",
        "The file is no disk image that Quantix knows. Said: {said}.",
        "use a qcow2, raw or ISO file",
    ),
    Template(
        "ImageRefused",
        "Image",
        "QEMU cannot read the file as {format}. Said: {said}.",
        "check the file: qemu-img check FILE",
    ),
    Template(
        "ImageRefused",
        "Image",
        "The file is {kind}; Qcow2, Raw and ISO are taken.",
        "unpack it first: {command}",
    ),
    Template(
        "ImageRefused",
        "Image",
        "The file is {kind}; Qcow2, Raw and ISO are taken.",
        "qemu-img convert -O qcow2 IN OUT, upload OUT",
    ),
    Template(
        "ImageRefused",
        "Image",
        "The file {feature}, which is not taken.",
        "qemu-img convert -O qcow2 IN OUT, upload OUT",
    ),
    Template(
        "ImageRefused",
        "Image",
        "The file is damaged: {flaw}.",
        "qemu-img check -r all FILE, or fetch it again",
    ),
    Template(
        "ImageRefused",
        "Image",
        "The file is no qcow2, no ISO, and no disk with a boot sector.",
        "check what it is; a raw disk without boot sector needs spec.format {format} "
        "(qx image upload --format)",
    ),
    Template(
        "ImageRefused",
        "Image",
        "The file is {length} long, more than spec.maxVirtualSize {limit} allows.",
        "raise maxVirtualSize in a new image (qx image upload --max-size), or use a smaller file",
    ),
    Template(
        "ImageRefused",
        "Image",
        "{path} is not built yet, so no image comes of it.",
        "copy the disk, then qx image upload FILE --name NAME with another name",
    ),
)
