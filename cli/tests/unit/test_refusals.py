"""What the API server refuses, in our words."""

from __future__ import annotations

import pytest

from quantix_cli.refusals import Refusal, told

FORBIDDEN = (
    'networks.quantix.io is forbidden: User "bob" cannot create resource "networks" '
    'in API group "quantix.io" in the namespace "shop"'
)
CLUSTER = (
    'hosts.quantix.io "h1" is forbidden: User "bob" cannot list resource "hosts" in API group "quantix.io" '
    "at the cluster scope"
)
ONE = (
    'VirtualMachine.quantix.io "a" is invalid: spec.memory: Invalid value: memory.size must be at least 16Mi'
)
QUOTED = (
    'Network.quantix.io "n" is invalid: spec.subnets[0].cidr: Invalid value: "10.0.0.0/33": must be a network'
)
SEVERAL = (
    'Network.quantix.io "n" is invalid: [spec.subnets[0].cidr: Invalid value: "1::2": must be a network, '
    "such as 10.0.0.0/24, spec.mtu: Invalid value: 5: should be greater than 575, "
    "spec.physical.name: Required value]"
)
MISTYPED = (
    'VirtualMachine.quantix.io "a" is invalid: [spec.memory: Invalid value: "string": spec.memory in body '
    'must be of type object: "string", <nil>: Invalid value: null: some validation rules were not checked '
    "because the object was invalid; correct the existing errors to complete validation]"
)
POLICY = (
    "virtualmachines.quantix.io \"a\" is forbidden: ValidatingAdmissionPolicy 'x' with binding 'x' "
    "denied request: VM a is protected against deletion. Try: qx vm set a --no-protect, or wait."
)
GOING = (
    'virtualmachines.quantix.io "a" is forbidden: unable to create new content in namespace team because it '
    "is being terminated"
)
TWICE = (
    'StoragePool.quantix.io "p" is invalid: [spec.dir.path: Invalid value: "/": spec.dir.path in body '
    'should be at least 2 chars long, spec.dir.path: Invalid value: "/": must be an absolute path, '
    "such as /srv/quantix]"
)
BY_SCHEMA = (
    'Image.quantix.io "i" is invalid: spec.url: Invalid value: "": spec.url in body should be at least 1 '
    "chars long"
)


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        (
            FORBIDDEN,
            Refusal(
                "bob may not create networks in shop (NotAllowed).",
                "ask for role quantix-edit; kubectl auth can-i shows what you may",
            ),
        ),
        (
            CLUSTER,
            Refusal(
                "bob may not list hosts in this cluster (NotAllowed).",
                "ask for role quantix-view; kubectl auth can-i shows what you may",
            ),
        ),
        (
            MISTYPED,
            Refusal("VirtualMachine a: spec.memory: a group of fields belongs there, not a text."),
        ),
        (ONE, Refusal("VirtualMachine a: spec.memory: memory.size must be at least 16Mi.")),
        (QUOTED, Refusal("Network n: spec.subnets[0].cidr: must be a network.")),
        (
            SEVERAL,
            Refusal(
                "Network n: spec.subnets[0].cidr: must be a network, such as 10.0.0.0/24; "
                "spec.mtu: should be greater than 575; spec.physical.name: is needed."
            ),
        ),
        (
            POLICY,
            Refusal("VM a is protected against deletion.", "qx vm set a --no-protect, or wait"),
        ),
        (
            GOING,
            Refusal(
                "Namespace team is being deleted, so nothing can be made in it (NamespaceDeleting).",
                "another namespace, with -n; kubectl describe namespace team says what it waits for",
            ),
        ),
        (TWICE, Refusal("StoragePool p: spec.dir.path: must be an absolute path, such as /srv/quantix.")),
        (BY_SCHEMA, Refusal("Image i: spec.url: should be at least 1 chars long.")),
        ("the server could not find it", Refusal("the server could not find it")),
        ("", Refusal("")),
    ],
    ids=[
        "by a role",
        "of the cluster",
        "another type",
        "one rule",
        "a value before it",
        "several",
        "by a policy",
        "in a namespace that goes",
        "one field by schema and rule",
        "by schema alone",
        "other",
        "none",
    ],
)
def test_a_refusal_is_told_without_the_servers_wrapping(said: str, refusal: Refusal) -> None:
    assert told(said) == refusal


@pytest.mark.parametrize("hostile", ["a" * 50_000, "spec.a: Invalid value: " * 3000, '"x": ' * 10_000])
def test_a_refusal_of_any_length_is_told(hostile: str) -> None:
    assert told(f'Network.quantix.io "n" is invalid: {hostile}').sentence


@pytest.mark.parametrize(
    ("held", "shown"), [("433192Mi", "423 GiB"), ("3Gi", "3 GiB"), ("20k", "20 KiB"), ("1536Mi", "1.5 GiB")]
)
def test_what_a_pool_holds_is_told_as_sizes_are_elsewhere(held: str, shown: str) -> None:
    said = f"Pool local holds {held} of volumes. Try: delete or move those first."
    assert told(f"x is forbidden: denied request: {said}") == Refusal(
        f"Pool local holds {shown} of volumes.", "delete or move those first"
    )
