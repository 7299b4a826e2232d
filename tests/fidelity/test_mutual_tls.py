"""Real Envoys and the simulator secure, refuse and know each other alike."""

from __future__ import annotations

import pytest

from sandbox.box import Sandbox
from sandbox.fidelity.replay import replay_all
from simulator.config.load import load_texts
from simulator.config.scenario import Request
from simulator.observe.observation import Tls
from simulator.scenario import Scenario

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(120)]

_APP = """
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{selector: {{app: {name}}}, ports: [{{name: {port}, port: 9080}}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}{labels}}}}}
    spec:
      serviceAccountName: {name}
      containers: [{{name: app, image: app, ports: [{{containerPort: 9080}}]}}]
---
"""
APPS = "".join(
    (
        _APP.format(name="alice", port="http", labels=""),
        _APP.format(name="bob", port="http", labels=""),
        _APP.format(name="guess", port="web", labels=""),
        _APP.format(name="bare", port="http", labels=', sidecar.istio.io/inject: "false"'),
    )
)
REQUESTS = [
    Request.model_validate(each)
    for each in (
        {"id": "to bob", "from": "alice.default", "url": "http://bob:9080/fine"},
        {"id": "to a detected port", "from": "alice.default", "url": "http://guess:9080/fine"},
        {"id": "to the bare one", "from": "alice.default", "url": "http://bare:9080/fine"},
        {"id": "from the bare one", "from": "bare.default", "url": "http://bob:9080/fine"},
        {"id": "elsewhere", "from": "alice.default", "url": "http://bob:9080/elsewhere"},
    )
]


def peers(mode: str, selector: str = "") -> str:
    return (
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: peers}\n"
        f"spec: {{{selector}mtls: {{mode: {mode}}}}}\n---\n"
    )


def rule(host: str, tls: str) -> str:
    return (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
        f"metadata: {{name: {host}}}\nspec: {{host: {host}, trafficPolicy: {{tls: {tls}}}}}\n---\n"
    )


def policy(spec: str) -> str:
    return (
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: who}\n"
        f"spec: {spec}\n---\n"
    )


BOB = "selector: {matchLabels: {app: bob}}, "
STRANGER = "{mode: ISTIO_MUTUAL, subjectAltNames: ['spiffe://cluster.local/ns/x/sa/y']}"
ALICE = "{principals: [cluster.local/ns/default/sa/alice]}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="of their own accord"),
        pytest.param(peers("STRICT"), id="plain text is refused"),
        pytest.param(
            peers("STRICT") + rule("bob", "{mode: DISABLE}"), id="a client does not secure"
        ),
        pytest.param(
            peers("DISABLE", BOB) + rule("bob", "{mode: ISTIO_MUTUAL}"),
            id="a server does not secure",
        ),
        pytest.param(rule("bob", STRANGER), id="the server is someone else"),
        pytest.param(rule("bare", "{mode: ISTIO_MUTUAL}"), id="the server has no proxy"),
        pytest.param(
            policy(f"{{action: DENY, rules: [{{from: [{{source: {ALICE}}}]}}]}}"),
            id="denied by identity",
        ),
        pytest.param(
            policy(
                "{rules: [{from: [{source: {namespaces: [default]}}],"
                " to: [{operation: {paths: [/fine]}}]}]}"
            ),
            id="allowed by namespace and path",
        ),
    ],
)
def test_both_planes_do_the_same(text: str) -> None:
    loaded = load_texts([("mesh.yaml", APPS + text)])
    assert loaded.ok, loaded.diagnostics
    scenario = Scenario.of(loaded)

    with Sandbox.start(scenario) as box:
        seen = box.probe(REQUESTS)
    comparison = replay_all(scenario, REQUESTS, seen)

    assert comparison.n == len(REQUESTS)
    assert [str(each.difference) for each in comparison.differences] == []


def test_both_ends_are_known_by_name() -> None:
    (seen,) = Scenario.of(load_texts([("mesh.yaml", APPS)])).probe(REQUESTS[:1])

    assert seen.tls == Tls(
        mtls=True,
        client_spiffe="spiffe://cluster.local/ns/default/sa/alice",
        server_spiffe="spiffe://cluster.local/ns/default/sa/bob",
    )
