"""What interception shows: what is on the wire, what is refused, and who may start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.box import Sandbox
from sandbox.drivers.interception import BY_MARK, BY_USER, rules
from sandbox.drivers.netns import NetnsDriver
from sandbox.drivers.network import Host, script
from sandbox.probe import probe
from simulator.config.scenario import Request
from tests.sandbox.drivers.capture import capture
from tests.sandbox.drivers.traces import Traces, traces
from tests.sandbox.meshes import bookshop
from tests.support.golden import Golden
from tests.support.required import need

pytestmark = [pytest.mark.envoy, pytest.mark.xdist_group("drivers")]
SECRET = "a-word-that-nobody-else-says"
GOLDEN = Path(__file__).with_name("golden")
HANDSHAKE = b"\x16\x03"
"""How every TLS connection begins."""

_PEERS = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: istio-system}}
spec: {{mtls: {{mode: {mode}}}}}
"""


@pytest.fixture(autouse=True)
def netns() -> None:
    need("netns", NetnsDriver().lacking())


def details(**more: object) -> Request:
    return Request.model_validate({"url": "http://details:9080/", **more})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees what crosses the bridge")
@pytest.mark.parametrize(
    ("mode", "plain"),
    [pytest.param("STRICT", False, id="mutual-tls"), pytest.param("DISABLE", True, id="plain")],
)
def test_what_two_workloads_say_to_each_other_on_the_wire(mode: str, plain: bool) -> None:
    shop = bookshop(_PEERS.format(mode=mode))
    with Sandbox.start(shop, driver=NetnsDriver()) as box:
        supervisor = traces(box.plan.run_dir).supervisor
        with capture(supervisor) as wire:
            (seen,) = box.probe(
                [details(**{"from": "productpage-v1.default", "headers": {"x-word": SECRET}})]
            )
        sent = wire.to(box.plan.mesh.pod("details-v1.default").ip, 9080)

    assert seen.status == 200
    assert sent
    assert (SECRET.encode() in sent) == plain
    assert sent.startswith(HANDSHAKE) != plain


def test_each_side_of_mutual_tls_proves_who_it_is() -> None:
    request = details(**{"from": "productpage-v1.default"})
    (seen,) = probe(bookshop(_PEERS.format(mode="STRICT")), [request], driver="netns")
    identity = "spiffe://cluster.local/ns/default/sa/default"

    assert [hop.tls and (hop.tls.client_spiffe, hop.tls.server_spiffe) for hop in seen.hops] == [
        (identity, identity)
    ] * 2
    told = json.loads(seen.body or "")["headers"]["x-forwarded-client-cert"]
    assert f"By={identity}" in told
    assert f"URI={identity}" in told


@pytest.mark.parametrize(
    ("mode", "status"),
    [pytest.param("STRICT", None, id="strict"), pytest.param("PERMISSIVE", 200, id="permissive")],
)
def test_plain_text_from_beyond_the_mesh(mode: str, status: int | None) -> None:
    request = details(via="details-v1.default")
    (seen,) = probe(bookshop(_PEERS.format(mode=mode)), [request], driver="netns")

    assert seen.status == status
    assert (seen.error is None) == (status is not None)


def test_what_no_listener_serves_is_passed_on() -> None:
    request = Request.model_validate(
        {"from": "productpage-v1.default", "url": "http://api.example.com:9080/"}
    )
    (seen,) = probe(bookshop(""), [request], driver="netns")

    assert (seen.status, seen.response_flags, seen.cluster) == (503, ("UF",), "PassthroughCluster")


@pytest.mark.skipif(os.geteuid() != 0, reason="every test here is one without privileges")
def test_it_needs_no_privileges_where_user_namespaces_are_allowed(run_root: Path) -> None:
    nobody = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    victim = [sys.executable, "-m", "tests.sandbox.victim", "leave", "netns"]
    done = subprocess.run([*nobody, *victim], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert traces(Path(done.stdout.strip())) == Traces()


@pytest.mark.parametrize(
    "proxy", [pytest.param(BY_USER, id="user"), pytest.param(BY_MARK, id="mark")]
)
def test_the_rules(proxy: str, golden: Golden) -> None:
    golden.check(GOLDEN / f"rules-{proxy.split()[1]}.txt", rules(proxy))


def test_the_network(golden: Golden) -> None:
    hosts = [
        Host(namespace="ns/0", address="10.244.0.1", captured=True),
        Host(namespace="ns/1", address="192.0.2.10", captured=False),
    ]
    golden.check(GOLDEN / "network.sh", script(hosts, BY_USER, ["touch boot/envoy"]))
