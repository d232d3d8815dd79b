"""Objects by UID, over a store that goes by name and changes by itself."""

from __future__ import annotations

from typing import Any

from quantix_hostd.by_uid import ByUid


class Store(dict[str, dict[str, Any]]):
    """Counts how often all of it is looked at."""

    walks = 0

    def items(self) -> Any:
        self.walks += 1
        return super().items()


def vm(uid: str, version: int = 1) -> dict[str, Any]:
    return {"metadata": {"uid": uid, "resourceVersion": str(version)}}


def test_what_is_known_costs_no_look_at_all_others() -> None:
    store = Store({"a/one": vm("1"), "a/two": vm("2")})
    by_uid = ByUid(store)
    assert by_uid.get("2") is store["a/two"]
    walks = store.walks
    store["a/two"] = vm("2", version=2)
    assert by_uid.get("2") is store["a/two"], "the newest"
    assert by_uid.get("1") is store["a/one"]
    assert store.walks == walks


def test_what_comes_goes_and_comes_back_as_another_is_told() -> None:
    store = Store({"a/one": vm("1")})
    by_uid = ByUid(store)
    assert by_uid.get("3") is None
    store["a/three"] = vm("3")
    assert by_uid.get("3") is store["a/three"]
    store["a/one"] = vm("4")
    assert by_uid.get("1") is None
    assert by_uid.get("4") is store["a/one"]
    del store["a/three"]
    assert by_uid.get("3") is None
