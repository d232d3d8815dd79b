"""The control plane as everybody else sees it: it starts, answers, keeps its data and ends."""

from quantix_lab.control_plane import ControlPlane


def test_fresh_control_plane_answers_kubectl(control_plane: ControlPlane) -> None:
    names = control_plane.kubectl("get", "namespaces", "-o", "name").split()
    assert {"namespace/default", "namespace/kube-system"} <= set(names)
