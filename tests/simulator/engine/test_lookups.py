"""What proxies make of names: which addresses they find, and when they ask again."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.config.scenario import DnsRecord, Request
from simulator.engine.nameserver import look_up
from simulator.engine.world import World
from simulator.scenario import Scenario
from tests.support.mesh import deployment, istio, scenario, service

SECOND = 1_000_000_000
PLENTY = 100_000
HOST = "api.example.com"
PAGES = "pages.default.svc.cluster.local"
CLUSTER = f"outbound|80||{HOST}"


def mesh(
    *names: str, resolution: str = "DNS", ttl: str = "30s", **records: tuple[str, ...]
) -> Scenario:
    """Return a mesh with an entry whose endpoints go by names; records are `NAME.example.com`."""
    entry: dict[str, Any] = {
        "hosts": [HOST],
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 9080}],
        "resolution": resolution,
    }
    if names:
        entry["endpoints"] = [{"address": name} for name in names]
    told = {
        f"{name}.example.com": {"addresses": addresses, "ttl": ttl}
        for name, addresses in records.items()
    }
    return scenario(
        service("pages"),
        deployment("pages", "pages", replicas=2),
        deployment("client", "client"),
        istio("ServiceEntry", "api", entry),
        dns=told,
    )


def world(made: Scenario) -> World:
    return World(made.mesh, made.file, made.configuration, seed=1)


def hosts(made: Scenario) -> list[str]:
    """Return the addresses that the client's proxy finds at first."""
    node = world(made).node(made.mesh.pod("deploy/client.default"))
    return sorted(host.endpoint.address for host in node.proxy.upstreams[CLUSTER].hosts.values())


TWO = ("10.1.0.1", "10.1.0.2")
SIX = ("2001:db8::1", "10.1.0.1")


@pytest.mark.parametrize(
    ("made", "want"),
    [
        pytest.param(mesh(api=TWO), [*TWO], id="a-host-for-each-address"),
        pytest.param(mesh(api=TWO, resolution="DNS_ROUND_ROBIN"), [TWO[0]], id="the-first-alone"),
        pytest.param(mesh(), [], id="nobody-knows-the-name"),
        pytest.param(mesh(resolution="DNS_ROUND_ROBIN"), [], id="nobody-knows-the-logical-name"),
        pytest.param(mesh("10.7.0.1", "a.example.com", a=TWO), [*TWO, "10.7.0.1"], id="both-kinds"),
        pytest.param(
            mesh("a.example.com", "b.example.com", a=TWO, b=TWO[:1]), [*TWO], id="none-twice"
        ),
        pytest.param(mesh(api=SIX), ["10.1.0.1"], id="istio-asks-for-ipv4-alone"),
        pytest.param(mesh(api=("b.example.com",), b=TWO), [*TWO], id="an-alias"),
        pytest.param(mesh(api=("api.example.com",)), [], id="aliases-in-a-circle"),
    ],
)
def test_addresses(made: Scenario, want: list[str]) -> None:
    assert hosts(made) == want


@pytest.mark.parametrize("name", ["pages", "pages.default", "pages.default.svc", PAGES])
def test_a_service_is_known_by_its_names(name: str) -> None:
    made = mesh(name)
    assert hosts(made) == [made.mesh.services[PAGES].ip]


@pytest.mark.parametrize(
    ("name", "want"),
    [
        pytest.param(PAGES, (200, ()), id="a-name-of-the-mesh"),
        pytest.param("gone.example.com", (503, ("UH",)), id="a-name-that-nobody-knows"),
    ],
)
def test_a_request_to_a_name(name: str, want: tuple[int, tuple[str, ...]]) -> None:
    request = Request.model_validate({"from": "client.default", "url": f"http://{HOST}/"})
    (seen,) = mesh(name).probe([request])
    assert (seen.status, seen.response_flags) == want


@pytest.mark.parametrize(
    ("ttl", "resolution", "gone", "want"),
    [
        pytest.param("2s", "DNS", False, [(1, "old"), (3, "new")], id="as-long-as-it-holds"),
        pytest.param("0s", "DNS", False, [(59, "old"), (61, "new")], id="as-often-as-istio-says"),
        pytest.param("2s", "DNS", True, [(1, "old"), (3, "")], id="gone-is-gone"),
        pytest.param(
            "2s", "DNS_ROUND_ROBIN", True, [(1, "old"), (3, "old")], id="a-logical-host-stays"
        ),
    ],
)
def test_names_are_asked_for_again(
    ttl: str, resolution: str, gone: bool, want: list[tuple[int, str]]
) -> None:
    known = {"10.1.0.1": "old", "10.1.0.2": "new"}
    made = mesh(api=("10.1.0.1",), ttl=ttl, resolution=resolution)
    lasting = world(made)
    node = lasting.node(made.mesh.pod("deploy/client.default"))
    records = made.file.dns
    records[HOST] = records[HOST].model_copy(update={"addresses": () if gone else ("10.1.0.2",)})
    seen = []
    for second, _ in want:
        lasting.agenda.advance(second * SECOND, PLENTY)
        found = node.proxy.upstreams[CLUSTER].hosts.values()
        seen.append((second, "".join(known[host.endpoint.address] for host in found)))
    assert seen == want


def test_an_answer_holds_no_longer_than_its_aliases() -> None:
    made = mesh()
    records = {
        "a": DnsRecord(addresses=("b",), ttl=9 * SECOND),
        "b": DnsRecord(addresses=("10.1.0.1",), ttl=4 * SECOND),
    }
    answer = look_up(made.mesh, records, made.mesh.pod("deploy/client.default"), "a")
    assert (answer.addresses, answer.ttl_ns) == (("10.1.0.1",), 4 * SECOND)
