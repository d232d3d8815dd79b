"""The kind Image: a disk image or medium that Volumes are made from. It never changes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import (
    Doc,
    Entries,
    Fixed,
    Live,
    Refused,
    Rule,
    Text,
    exactly_one,
    ordered,
    unchanged,
)
from quantix_api.model import (
    AGE,
    PHASE,
    READY,
    REASON,
    ApiModel,
    ApiObject,
    Column,
    Definition,
    Empty,
    Progress,
    Status,
)
from quantix_api.resources import IMAGES
from quantix_api.scalars import Count, DataState, LabelValue, Name, Size

USER_PATTERN = "^[A-Za-z_][A-Za-z0-9._-]{0,31}$"
"""What ssh(1) is given as the name of a user; a leading `-` would be an option of it."""

Checksum = Annotated[
    str,
    Text(71),
    Rule(
        "self.matches('^sha256:[0-9a-f]{64}$')",
        "must be sha256: and 64 hexadecimal digits in small letters, as sha256sum prints them",
    ),
]


MAX_VIRTUAL_SIZE = "2Ti"
"""What an Image allows that says nothing else."""


class ImageSpec(ApiModel):
    """What is wanted."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exactly_one("url", "upload", "volume"),
        unchanged(
            "url",
            "upload",
            "volume",
            "checksum",
            "format",
            "maxVirtualSize",
            "pool",
            message="an image never changes: make a new one with another name",
        ),
    )

    url: Annotated[
        str | None,
        Text(2048, 1),
        Rule("self.matches('^https?://[^/]+')", "must start with http:// or https:// and name a server"),
        Fixed("Where the file is downloaded from, by http or https."),
    ] = None
    upload: Annotated[Empty | None, Fixed("The file is sent with qx image upload.")] = None
    volume: Annotated[Name | None, Fixed("A detached Volume that the image is made from."), Refused()] = None
    checksum: Annotated[
        Checksum | None,
        Fixed("sha256 of the file. Absent: the file is trusted as found, and its sum is kept in status."),
    ] = None
    format: Annotated[
        Literal["Auto", "Qcow2", "Raw", "ISO"], Fixed("Format of the file; Auto: found out from its content.")
    ] = "Auto"
    max_virtual_size: Annotated[
        Size, Fixed("Largest disk that the file may describe; a larger one is refused.")
    ] = MAX_VIRTUAL_SIZE
    pool: Annotated[Name | None, Fixed("StoragePool that keeps the file. Absent: the default pool.")] = None
    login_user: Annotated[
        str | None,
        Text(32, 1),
        Rule(
            f"self.matches('{USER_PATTERN}')",
            "must be the name of a user: letters, digits, '_', '.' and '-', the first a letter or '_'",
        ),
        Live("User to log in as, which forms and qx offer. Absent: not known."),
    ] = None
    allowed_namespaces: Annotated[
        dict[str, LabelValue] | None,
        Entries(),
        Live("Labels of the namespaces that may use a shared image. Absent: all may."),
    ] = None
    deletion_protection: Annotated[bool, Live("true: the image cannot be deleted.")] = False


class ImageStatus(Status):
    """What is so."""

    phase: Annotated[
        Literal["Pending", "Downloading", "Verifying", "Ready", "Failed"] | None,
        Doc("In one word, for people: what happens to the image."),
    ] = None
    host: Annotated[Name | None, Doc("The host whose daemon downloads it and keeps it.")] = None
    checksum: Annotated[Checksum | None, Doc("sha256 of the file as it was found.")] = None
    format: Annotated[Literal["Qcow2", "Raw", "ISO"] | None, Doc("Format of the file.")] = None
    virtual_size: Annotated[Size | None, Doc("Size of the disk that it describes.")] = None
    progress: Annotated[Progress | None, Doc("How far the download has come.")] = None
    users: Annotated[Count | None, Doc("How many objects use it; it cannot be deleted before that is 0.")] = (
        None
    )
    used_by: Annotated[
        tuple[Annotated[str, Text(520)], ...],
        ordered(),
        Doc("The first of those in its own namespace, as NAMESPACE/KIND/NAME."),
    ] = ()
    data: Annotated[
        DataState | None, Doc("Whether anything of it is stored; Absent: nothing is, so the object may go.")
    ] = None


class Image(ApiObject):
    """A disk image or medium. It is downloaded, checked and kept, and never changes."""

    DEFINITION: ClassVar[Definition] = Definition(
        IMAGES,
        ("img",),
        (
            PHASE,
            READY,
            Column("Progress", ".status.progress.percent", "integer"),
            Column("Size", ".status.virtualSize"),
            REASON,
            AGE,
        ),
        (".status.phase", ".status.host"),
    )

    spec: Annotated[ImageSpec, Live("What is wanted.")]
    status: ImageStatus = ImageStatus()
