"""Which PeerAuthentication holds for a port."""

from __future__ import annotations

import pytest

from simulator.istiod.authn.peers import peer_modes
from tests.simulator.istiod.meshes import shop


def policy(spec: str, *, namespace: str = "default", name: str = "p", created: str = "") -> str:
    stamp = f", creationTimestamp: '{created}'" if created else ""
    return (
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
        f"metadata: {{name: {name}, namespace: {namespace}{stamp}}}\nspec: {spec}\n"
    )


MESH = policy("{mtls: {mode: STRICT}}", namespace="istio-system")
SELECTED = "selector: {matchLabels: {app: ratings}}"


@pytest.mark.parametrize(
    ("texts", "mode", "port"),
    [
        pytest.param([], "PERMISSIVE", "PERMISSIVE", id="without any"),
        pytest.param([MESH], "STRICT", "STRICT", id="the mesh's"),
        pytest.param(
            [MESH, policy("{mtls: {mode: DISABLE}}")], "DISABLE", "DISABLE", id="the namespace's"
        ),
        pytest.param(
            [MESH, policy("{mtls: {mode: UNSET}}")], "STRICT", "STRICT", id="unset inherits"
        ),
        pytest.param(
            [policy(f"{{{SELECTED}, mtls: {{mode: STRICT}}}}")],
            "STRICT",
            "STRICT",
            id="the workload's",
        ),
        pytest.param(
            [
                policy(
                    f"{{{SELECTED}, mtls: {{mode: STRICT}},"
                    " portLevelMtls: {'9080': {mode: DISABLE}}}"
                )
            ],
            "STRICT",
            "DISABLE",
            id="the port's",
        ),
        pytest.param(
            [MESH, policy(f"{{{SELECTED}, portLevelMtls: {{'9080': {{mode: UNSET}}}}}}")],
            "STRICT",
            "STRICT",
            id="an unset port inherits",
        ),
        pytest.param(
            [policy(f"{{{SELECTED}, mtls: {{mode: STRICT}}}}", namespace="istio-system")],
            "PERMISSIVE",
            "PERMISSIVE",
            id="for a workload in the root namespace, nothing",
        ),
        pytest.param(
            [
                policy("{mtls: {mode: STRICT}}", name="b", created="2020-01-01T00:00:00Z"),
                policy("{mtls: {mode: DISABLE}}", name="a", created="2021-01-01T00:00:00Z"),
            ],
            "STRICT",
            "STRICT",
            id="the older of two",
        ),
    ],
)
def test_which_one_decides(texts: list[str], mode: str, port: str) -> None:
    modes = peer_modes(shop(*texts), "default", {"app": "ratings", "version": "v1"})

    assert (modes.mode, modes.of(9080)) == (mode, port)
