"""The client against the real control plane."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from quantix_api.errors import PermanentError
from quantix_api.resources import CONFIG_MAPS, LEASES, NAMESPACES
from quantix_client.api import ApiClient
from quantix_client.apply import apply_if_changed, owned_fields
from quantix_client.errors import AlreadyExists, Conflict, NotFound, Unprocessable, Unreachable
from quantix_client.lease import HostLease, LeaderLease
from quantix_client.reflector import Change, Reflector
from quantix_client.reviews import Access, Identity, may, whose_token
from quantix_lab.control_plane import ControlPlane
from quantix_lab.waiting import eventually_async


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[ApiClient]:
    async with ApiClient.from_kubeconfig(control_plane.admin_kubeconfig, user_agent="test") as client:
        yield client


@pytest.fixture
async def namespace(client: ApiClient) -> str:
    name = f"client-{uuid.uuid4().hex[:8]}"
    await client.create(NAMESPACES, {"metadata": {"name": name}})
    return name


def config_map(namespace: str, name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}


async def test_objects_are_made_read_changed_and_deleted(client: ApiClient, namespace: str) -> None:
    created = await client.create(CONFIG_MAPS, config_map(namespace, "a", x="1"))
    with pytest.raises(AlreadyExists):
        await client.create(CONFIG_MAPS, config_map(namespace, "a"))
    patched = await client.patch(CONFIG_MAPS, "a", {"data": {"x": "2", "y": "3"}}, namespace)
    assert patched["data"] == {"x": "2", "y": "3"}
    with pytest.raises(Conflict):
        await client.replace(CONFIG_MAPS, {**created, "data": {}})
    with pytest.raises(Conflict):
        await client.delete(CONFIG_MAPS, "a", namespace, uid=str(uuid.uuid4()))
    await client.delete(CONFIG_MAPS, "a", namespace, uid=created["metadata"]["uid"])
    with pytest.raises(NotFound):
        await client.get(CONFIG_MAPS, "a", namespace)


async def test_every_character_arrives_as_it_was_sent(client: ApiClient, namespace: str) -> None:
    """An apply is read as YAML, whose escapes are not JSON's."""
    odd = "💥 \U0010ffff é \x7f \x85 \u2028 \ufeff \uffff \\ud83d \"'{}\t\n\x01"
    for sent in (
        await client.create(CONFIG_MAPS, config_map(namespace, "created", x=odd)),
        await client.apply(CONFIG_MAPS, config_map(namespace, "applied", x=odd), manager="me"),
    ):
        assert sent["data"]["x"] == odd
    half = await client.apply(CONFIG_MAPS, config_map(namespace, "half", x="a\ud83d"), manager="me")
    assert half["data"]["x"] == "a\ufffd"


async def test_a_dry_run_changes_nothing(client: ApiClient, namespace: str) -> None:
    await client.create(CONFIG_MAPS, config_map(namespace, "a"), dry_run=True)
    await client.apply(CONFIG_MAPS, config_map(namespace, "b"), manager="me", dry_run=True)
    assert [item["metadata"]["name"] for item in (await client.list(CONFIG_MAPS, namespace)).items] == []


async def test_a_paged_list_is_whole_and_selects(client: ApiClient, namespace: str) -> None:
    for number in range(7):
        await client.create(CONFIG_MAPS, config_map(namespace, f"m-{number}"))
    listed = await client.list(CONFIG_MAPS, namespace, limit=3)
    assert [item["metadata"]["name"] for item in listed.items] == [f"m-{number}" for number in range(7)]
    assert {item["kind"] for item in listed.items} == {"ConfigMap"}
    only = await client.list(CONFIG_MAPS, namespace, field_selector="metadata.name=m-3")
    assert [item["metadata"]["name"] for item in only.items] == ["m-3"]
    with pytest.raises(Unprocessable):
        await client.list(CONFIG_MAPS, namespace, field_selector="data.x=1")


async def test_an_apply_owns_what_it_sends_and_repeating_it_is_no_write(
    client: ApiClient, namespace: str
) -> None:
    live = await client.create(CONFIG_MAPS, config_map(namespace, "a", theirs="1"))

    async def own(**data: str) -> dict[str, object] | None:
        current = await client.get(CONFIG_MAPS, "a", namespace)
        return await apply_if_changed(
            client, CONFIG_MAPS, current, {"data": data}, manager="me", subresource=""
        )

    written = await own(mine="1", also="2")
    assert written is not None
    assert written["data"] == {"theirs": "1", "mine": "1", "also": "2"}
    assert owned_fields(written, "me") == {"data": {"mine": "1", "also": "2"}}
    assert owned_fields(written, "another") == {}
    assert await own(mine="1", also="2") is None
    again = await own(mine="1")
    assert again is not None
    assert again["data"] == {"theirs": "1", "mine": "1"}
    fields = {"data": {"x": "1"}}
    with pytest.raises(Conflict):
        await apply_if_changed(
            client, CONFIG_MAPS, live, fields, manager="me", subresource="", on_version=True
        )


@pytest.mark.parametrize(
    "wrong", [{"data": {"x": 5}}, {"unknown": 1}, {"metadata": {"ownerReferences": [{"uid": "u"}] * 2}}]
)
async def test_an_apply_that_no_schema_takes_is_not_worth_repeating(
    client: ApiClient, namespace: str, wrong: dict[str, Any]
) -> None:
    applied = config_map(namespace, "a")
    applied = {**applied, **wrong, "metadata": {**applied["metadata"], **wrong.get("metadata", {})}}
    with pytest.raises(Unprocessable):
        await client.apply(CONFIG_MAPS, applied, manager="me")


async def test_a_namesake_made_since_is_left_alone(client: ApiClient, namespace: str) -> None:
    first = await client.create(CONFIG_MAPS, config_map(namespace, "a"))
    await client.delete(CONFIG_MAPS, "a", namespace)
    await client.create(CONFIG_MAPS, config_map(namespace, "a"))
    with pytest.raises(Conflict):
        await apply_if_changed(client, CONFIG_MAPS, first, {"data": {"x": "1"}}, manager="me", subresource="")


async def test_a_reflector_tells_every_change_and_sees_objects_leave_its_selection(
    client: ApiClient, namespace: str
) -> None:
    changes: asyncio.Queue[Change] = asyncio.Queue()
    labelled = config_map(namespace, "a")
    labelled["metadata"] = {"name": "a", "namespace": namespace, "labels": {"on": "yes"}}
    await client.create(CONFIG_MAPS, labelled)
    reflector = Reflector(
        client, CONFIG_MAPS, namespace=namespace, label_selector="on=yes", on_change=changes.put_nowait
    )
    task = asyncio.create_task(reflector.run())
    try:
        async with asyncio.timeout(10):
            await reflector.synced.wait()
        await client.patch(CONFIG_MAPS, "a", {"data": {"x": "1"}}, namespace)
        await client.patch(CONFIG_MAPS, "a", {"metadata": {"labels": {"on": "no"}}}, namespace)
        async with asyncio.timeout(10):
            told = [await changes.get() for _ in range(3)]
        assert [change.type for change in told] == ["ADDED", "MODIFIED", "DELETED"]
        assert {change.key for change in told} == {f"{namespace}/a"}
        assert reflector.store == {}
    finally:
        task.cancel()


async def test_one_of_two_candidates_leads_and_the_other_follows_at_once_when_it_is_given_away(
    client: ApiClient, namespace: str
) -> None:
    first = LeaderLease(client, "boss", namespace, "one")
    second = LeaderLease(client, "boss", namespace, "two")
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    holding = asyncio.create_task(first.hold())
    await asyncio.sleep(2.5)
    assert first.leading
    assert not second.leading
    assert second.holder == "one"
    holding.cancel()
    await first.release()
    async with asyncio.timeout(3):
        await waiting
    assert second.leading
    assert not first.leading
    lease = await client.get(LEASES, "boss", namespace)
    assert lease["spec"]["leaseTransitions"] == 1


async def test_a_leader_whose_lease_is_taken_notices(client: ApiClient, namespace: str) -> None:
    leader = LeaderLease(client, "boss", namespace, "one")
    await leader.acquire()
    await client.patch(LEASES, "boss", {"spec": {"holderIdentity": "thief"}}, namespace)
    async with asyncio.timeout(4):
        await leader.hold()
    assert not leader.leading


async def test_a_host_lease_is_renewed_taken_over_by_its_next_boot_and_refused_to_a_second_machine(
    client: ApiClient, namespace: str
) -> None:
    first = HostLease(client, "h1", "boot-1", namespace=namespace, period_s=0.2)
    assert await first.renew()
    before = await client.get(LEASES, "h1", namespace)
    assert await first.renew()
    after = await client.get(LEASES, "h1", namespace)
    assert after["spec"]["renewTime"] > before["spec"]["renewTime"]

    rebooted = HostLease(client, "h1", "boot-2", namespace=namespace, period_s=0.2)
    task = asyncio.create_task(rebooted.run(lambda: True))
    await asyncio.sleep(2)
    assert (await client.get(LEASES, "h1", namespace))["spec"]["holderIdentity"] == "boot-2"

    second = HostLease(client, "h1", "boot-of-another", namespace=namespace, period_s=0.2)
    with pytest.raises(PermanentError) as caught:
        async with asyncio.timeout(5):
            await second.run(lambda: True)
    assert caught.value.reason == "SecondMachine"
    assert not task.done()
    task.cancel()


async def test_reviews_tell_who_may_do_what(client: ApiClient, namespace: str) -> None:
    console = Access("create", "quantix.io", "virtualmachines", namespace, "web-1", "console")
    assert not await may(client, Identity("alice"), console)
    assert await may(client, Identity("alice", ("system:masters",)), console)
    assert await whose_token(client, "no.token") is None
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    await client.request("POST", path, json={"metadata": {"name": "robot"}})
    token = (await client.request("POST", f"{path}/robot/token", json={"spec": {}}))["status"]["token"]

    # the server knows an account as its own cache does, a moment after it was made
    async def is_known() -> bool:
        return await whose_token(client, token) is not None

    await eventually_async("the token of the new account to be known", is_known)
    identity = await whose_token(client, token)
    assert identity is not None
    assert identity.name == f"system:serviceaccount:{namespace}:robot"


async def test_replaced_credentials_are_used_without_a_restart(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    copy = tmp_path / "config"
    copy.write_text(control_plane.admin_kubeconfig.read_text())
    async with ApiClient.from_kubeconfig(copy, user_agent="test") as client:
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        before = await client.request("POST", path, json=review)
        replacement = tmp_path / "config.new"
        replacement.write_text(control_plane.operator_kubeconfig.read_text())
        replacement.rename(copy)
        after = await client.request("POST", path, json=review)
    users = [answer["status"]["userInfo"]["username"] for answer in (before, after)]
    assert users[1] == "system:serviceaccount:quantix-system:quantix-operator"
    assert users[0] != users[1]


async def test_a_server_that_is_not_the_one_of_the_kubeconfig_is_not_trusted(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    document = yaml.safe_load(control_plane.admin_kubeconfig.read_text())
    del document["clusters"][0]["cluster"]["certificate-authority-data"]
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(document))
    async with ApiClient.from_kubeconfig(path, user_agent="test") as client:
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            await client.list(CONFIG_MAPS)
