"""The configuration of a small Ceph for tests: few threads, little memory, and quick to notice and to tell.

Rendered by `ceph_cluster`. Options: docs.ceph.com, "Configuration Reference" (Pacific, 16.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MON = "a"
_MOST_COPIES = 3


@dataclass(frozen=True)
class CephShape:
    """What a cluster is like. `address` is where all its daemons listen, the monitor at `port`;
    `osd_bytes` is what each OSD's sparse file may hold.
    """

    directory: Path
    fsid: str
    address: str
    port: int
    osds: int
    osd_bytes: int

    @property
    def copies(self) -> int:
        """Of each object: three where there are as many OSDs, else one."""
        return _MOST_COPIES if self.osds >= _MOST_COPIES else 1


def render_config(shape: CephShape) -> str:
    """The text of its ceph.conf."""
    sections = {"global": _global(shape), "mon": _mon(shape), "mgr": _mgr(shape), "osd": _osd(shape)}
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in options.items())
        for name, options in sections.items()
    )


def _global(shape: CephShape) -> dict[str, object]:
    at = shape.directory
    return {
        "fsid": shape.fsid,
        "mon_host": f"v2:{shape.address}:{shape.port + 1},v1:{shape.address}:{shape.port}",
        "public_addr": shape.address,
        "cluster_addr": shape.address,
        "ms_bind_ipv6": "false",
        "auth_cluster_required": "cephx",
        "auth_service_required": "cephx",
        "auth_client_required": "cephx",
        "keyring": at / "admin.keyring",
        "run_dir": at / "run",
        "admin_socket": f"{at}/run/$name.asok",
        "pid_file": f"{at}/run/$name.pid",
        "log_file": f"{at}/log/$name.log",
        "crash_dir": at / "run",
        "osd_crush_chooseleaf_type": 0,
        "osd_pool_default_size": shape.copies,
        "osd_pool_default_min_size": shape.copies // 2 + 1,
        "osd_pool_default_pg_num": 8,
        "osd_pool_default_pgp_num": 8,
        "osd_pool_default_pg_autoscale_mode": "off",
        "ms_async_op_threads": 2,
        # a client that lost a monitor looks for it again at once
        "mon_client_hunt_interval": 0.5,
        "mon_client_hunt_interval_max_multiple": 2,
        "rbd_default_features": 61,
        "rbd_default_clone_format": 2,
        "osd_heartbeat_grace": 5,
        "osd_heartbeat_interval": 2,
    }


def _mon(shape: CephShape) -> dict[str, object]:
    return {
        "mon_data": f"{shape.directory}/mon/$id",
        "mon_initial_members": MON,
        "mon_allow_pool_size_one": "true",
        "mon_allow_pool_delete": "true",
        "mon_warn_on_pool_no_redundancy": "false",
        "auth_allow_insecure_global_id_reclaim": "false",
        # how full the machine's own disk is, is not what a test looks at
        "mon_data_avail_warn": 2,
        "mon_data_avail_crit": 1,
        # changes of maps within 0.1 s instead of 1 s
        "paxos_propose_interval": 0.1,
        "paxos_min_wait": 0.02,
        "mon_tick_interval": 1,
        # a frozen OSD is noticed by a single other one
        "mon_osd_reporter_subtree_level": "osd",
        "mon_osd_min_down_reporters": 1,
        # clones stand on snapshots that nobody protected (clone format 2)
        "mon_osd_initial_require_min_compat_client": "mimic",
        "mon_rocksdb_options": "write_buffer_size=8388608,compression=kNoCompression,"
        "level_compaction_dynamic_level_bytes=true",
    }


def _mgr(shape: CephShape) -> dict[str, object]:
    # what is stored is known, and a quota that is used noticed, within a second instead of five
    return {"mgr_data": f"{shape.directory}/mgr/$id", "mgr_initial_modules": "", "mgr_stats_period": 1}


def _osd(shape: CephShape) -> dict[str, object]:
    return {
        "keyring": f"{shape.directory}/osd/$id/keyring",
        "osd_data": f"{shape.directory}/osd/$id",
        "osd_objectstore": "bluestore",
        "osd_memory_target": 939524096,
        "osd_memory_cache_min": "64M",
        "bluestore_block_size": shape.osd_bytes,
        "bluestore_block_wal_size": 0,
        "bluestore_block_db_size": 0,
        "bluestore_cache_autotune": "false",
        "bluestore_cache_size": 64 * 1024**2,
        "bluestore_fsck_on_mount": "false",
        "osd_op_num_shards": 2,
        "osd_op_num_threads_per_shard": 1,
        "osd_class_update_on_start": "false",
        "osd_mclock_skip_benchmark": "true",
    }
