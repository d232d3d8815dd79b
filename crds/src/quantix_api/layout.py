"""Where a Quantix installation keeps its files: the one place that knows the paths.

Used by every component. All paths lie below one root, so that several hosts can live on one machine
(`QUANTIX_ROOT`); with the root "/" they are the usual ones of a Linux system.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# A directory through which QEMU's user, or a program of any user, reaches one path below; nobody lists it
PASSAGE = 0o711
# What other users have no business in
CLOSED = 0o750

# sockaddr_un holds 108 bytes with the final NUL; the longest socket below the root takes 78 of them
MAX_ROOT_LENGTH = 28

FIRST_BOOT_FILE = "seed.iso"
"""A VM's first-boot settings in `vm_run`; guests that run have it open by this name."""


@dataclass(frozen=True)
class Layout:
    """The directories and well-known files below `root`."""

    root: Path = Path("/")

    @property
    def etc(self) -> Path:
        """Configuration and kubeconfigs."""
        return self.root / "etc/quantix"

    @property
    def data(self) -> Path:
        """Everything that must survive a reboot."""
        return self.root / "var/lib/quantix"

    @property
    def run(self) -> Path:
        """Sockets and pid files; gone after a reboot."""
        return self.root / "run/quantix"

    @property
    def log(self) -> Path:
        return self.root / "var/log/quantix"

    @property
    def cache(self) -> Path:
        """Builds and downloads: may be deleted at any time."""
        return self.root / "var/cache/quantix"

    @property
    def control_plane_data(self) -> Path:
        """What the API server and etcd keep: the objects, and the cluster's authority."""
        return self.data / "controlplane"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.etc / "admin.kubeconfig"

    @property
    def operator_kubeconfig(self) -> Path:
        return self.etc / "operator.kubeconfig"

    @property
    def hostd_kubeconfig(self) -> Path:
        """Written by hostd itself once its certificate was signed."""
        return self.etc / "hostd.kubeconfig"

    @property
    def bootstrap_kubeconfig(self) -> Path:
        """Holds the short-lived token with which hostd asks for its first certificate."""
        return self.etc / "hostd-bootstrap.kubeconfig"

    @property
    def place(self) -> Path:
        """The place of this machine in its cluster, once other machines are in it or were let in."""
        return self.etc / "machine.json"

    @property
    def pki(self) -> Path:
        """Keys and certificates of this host."""
        return self.etc / "pki"

    @property
    def migration_pki(self) -> Path:
        """What QEMU shows, and whom it trusts, while guests move: its own user reads there."""
        return self.etc / "migration"

    @property
    def ovn_key(self) -> Path:
        """With `ovn_certificate` and `ovn_authority`: how OVN's databases and chassis know each other."""
        return self.pki / "ovn.key"

    @property
    def ovn_certificate(self) -> Path:
        return self.pki / "ovn.crt"

    @property
    def ovn_authority(self) -> Path:
        return self.pki / "ovn-ca.crt"

    @property
    def hostd_socket(self) -> Path:
        return self.run / "hostd.sock"

    @property
    def operator_socket(self) -> Path:
        """Where root asks the operator what would happen."""
        return self.run / "operator.sock"

    @property
    def libvirt_socket(self) -> Path:
        return self.run / "libvirt/libvirt-sock"

    @property
    def ovn_nb_socket(self) -> Path:
        return self.run / "ovn/ovnnb_db.sock"

    @property
    def ovn_sb_socket(self) -> Path:
        return self.run / "ovn/ovnsb_db.sock"

    @property
    def openvswitch_run(self) -> Path:
        """The run directory of the Open vSwitch that we started, when the machine had none running."""
        return self.run / "openvswitch"

    @property
    def local_pool(self) -> Path:
        """The directory of the pool `local`."""
        return self.data / "pools/local"

    @property
    def used_pools(self) -> Path:
        """Which directories this host has kept pools' data in: `{"<UID of the StoragePool>": "<path>"}`."""
        return self.data / "used-pools.json"

    @property
    def sent_files(self) -> Path:
        """Which volumes this host took files for that it still has: by UID their keys and pools."""
        return self.data / "sent-files.json"

    @property
    def image_copies(self) -> Path:
        """Of which images that other hosts keep this host has made copies, by UIDs of image and pool."""
        return self.data / "image-copies.json"

    @property
    def claims_for_work(self) -> Path:
        """Which claims in Ceph this host has taken for work of its own: by places their volumes."""
        return self.data / "claims-for-work.json"

    def mode_of(self, directory: Path) -> int:
        """The mode of a directory of ours, whatever the umask of who makes it."""
        if directory == self.cache:
            # qx, kubectl and the control plane's binary: programs for everybody
            return 0o755
        # swtpm runs as QEMU's user: its state, its sockets and its logs lie below these
        libvirt = {
            self.cache / "libvirt",
            self.data / "libvirt",
            self.run / "libvirt",
            self.run / "libvirt/qemu",
            self.log / "libvirt/swtpm",
        }
        pools = {self.local_pool.parent, self.local_pool}
        passages = {self.etc, self.data, self.run, self.run / "vm", *pools, *libvirt}
        return PASSAGE if directory in passages else CLOSED

    def vm_run(self, vm_uid: str) -> Path:
        """Sockets and the first-boot settings of one VM."""
        return self.run / "vm" / vm_uid

    def vm_data(self, vm_uid: str) -> Path:
        """Files of one VM on this host that outlive a reboot: causes of death, NVRAM."""
        return self.data / "vm" / vm_uid

    def vm_log(self, vm_uid: str) -> Path:
        return self.log / "vm" / vm_uid
