"""Where pools lie on a host, as hostd tells it to a real API, and what stays there once they are deleted."""

from __future__ import annotations

from quantix_api.conditions import condition_of
from quantix_lab.host_cluster import HostCluster
from quantix_lab.host_objects import apply


def test_a_place_that_is_none_is_told_by_a_reason_until_the_pool_goes(cluster: HostCluster) -> None:
    # where QEMU's user may go
    srv, shut = cluster.layout.root / "srv", cluster.layout.root / "srv/shut"
    (shut / "below").mkdir(parents=True)
    (srv / "link").symlink_to("/usr")
    shut.chmod(0o700)
    places = {
        "missing": (srv / "missing", "DirectoryMissing"),
        "linked": (srv / "link/share", "PathRefused"),
        "inner": (cluster.layout.local_pool / "volumes", "PathShared"),
        "barred": (shut / "below", "PathBarred"),
    }
    for name, (path, _) in places.items():
        pool = {"kind": "StoragePool", "metadata": {"name": name}, "spec": {"dir": {"path": str(path)}}}
        apply(cluster, pool)

    def told() -> dict[str, str]:
        pools = cluster.get("host", "h1")["status"]["pools"]
        return {pool["name"]: pool.get("reason", pool["state"]) for pool in pools}

    def said_of(pool: str) -> str:
        return str(condition_of(cluster.get("storagepool", pool)).get("message"))

    wanted = {name: reason for name, (_, reason) in places.items()}
    cluster.eventually(lambda: told() == {"local": "Reachable"} | wanted)
    assert not (srv / "missing").exists()
    cluster.eventually(lambda: f"may not enter {shut}. Try: chmod o+x {shut} on h1" in said_of("barred"))
    (srv / "missing").mkdir()
    shut.chmod(0o711)
    for name in ("linked", "inner"):
        cluster.kubectl("delete", "storagepool", name)
    # the end of a pool is what a host hears of: it looks at all of them then
    mended = dict.fromkeys(("local", "missing", "barred"), "Reachable")
    cluster.eventually(lambda: told() == mended, 40.0)
    (shut / "below/images/photo.jpg").write_text("of somebody")
    cluster.kubectl("delete", "storagepool", "missing", "barred")
    cluster.eventually(lambda: not [*(srv / "missing").iterdir(), *(shut / "below").glob("volumes")])
    assert [path.name for path in (shut / "below/images").iterdir()] == ["photo.jpg"]
    notes = ("get", "events.events.k8s.io", "-A", "-o", "jsonpath={.items[?(@.reason=='PoolLeft')].note}")
    cluster.eventually(lambda: f"{shut}/below/images stays: it holds photo.jpg" in cluster.kubectl(*notes))
