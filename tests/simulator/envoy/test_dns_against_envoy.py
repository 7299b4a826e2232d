"""Names of clusters against the real Envoy: which hosts they become, at first and later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from simulator.envoy.dns import Answer
from simulator.envoy.request import Request
from tests.simulator.envoy.nameserver import NameServer
from tests.simulator.envoy.playing import play, proxy, scripted, streamed
from tests.simulator.envoy.real import Backend, http_listener, running

pytestmark = pytest.mark.envoy

ASKED = 6
EXTENSIONS = "type.googleapis.com/envoy.extensions."


@dataclass(frozen=True)
class Case:
    id: str
    names: tuple[str, ...]
    """Of its endpoints."""
    kind: str = "STRICT_DNS"
    more: dict[str, Any] = field(default_factory=dict)
    again: bool = False
    """Whether requests are sent after the names were asked for again, and not before."""


def extension(**config: Any) -> dict[str, Any]:
    typed = {"@type": EXTENSIONS + "clusters.dns.v3.DnsCluster", **config}
    return {"cluster_type": {"name": "envoy.cluster.dns", "typed_config": typed}}


ONE, TWO, THREE = "127.0.0.1", "127.0.0.2", "127.0.0.3"
KNOWN: dict[str, tuple[tuple[str, ...], ...]] = {
    "one.test": ((ONE,),),
    "two.test": ((ONE, TWO),),
    "three.test": ((THREE, TWO),),
    "six.test": (("::1",),),
    "both.test": (("::1", ONE),),
    "moves.test": ((ONE,), (TWO,)),
    "goes.test": ((TWO,), ()),
    "comes.test": ((), (TWO,)),
}
"""What each name resolves to at first, and later."""
SOON = {"dns_refresh_rate": "0.05s"}
TTL = {"dns_refresh_rate": "600s", "respect_dns_ttl": True}
LOGICAL = "LOGICAL_DNS"
V4, V6 = {"dns_lookup_family": "V4_ONLY"}, {"dns_lookup_family": "V6_ONLY"}
CASES = [
    Case("one-address", ("one.test",)),
    Case("two-addresses", ("two.test",)),
    Case("two-names", ("one.test", "three.test")),
    Case("two-names-of-one-address", ("one.test", "two.test")),
    Case("an-address-is-no-name", (TWO, "one.test")),
    Case("an-unknown-name", ("nobody.test",)),
    Case("an-unknown-name-among-others", ("nobody.test", "two.test")),
    Case("logical", ("one.test",), LOGICAL),
    Case("an-unknown-logical-name", ("nobody.test",), LOGICAL),
    Case("ipv6", ("six.test",)),
    Case("ipv6-is-preferred", ("both.test",)),
    Case("ipv4-is-preferred", ("both.test",), more={"dns_lookup_family": "V4_PREFERRED"}),
    Case(
        "ipv4-is-preferred-but-there-is-none",
        ("six.test",),
        more={"dns_lookup_family": "V4_PREFERRED"},
    ),
    Case("ipv4-alone", ("both.test",), more=V4),
    Case("ipv4-alone-and-there-is-none", ("six.test",), more=V4),
    Case("ipv6-alone", ("both.test",), more=V6),
    Case("both-versions", ("both.test",), more={"dns_lookup_family": "ALL"}),
    Case("by-extension", ("two.test",), "", extension()),
    Case("by-extension-and-version", ("both.test",), "", extension(dns_lookup_family="V4_ONLY")),
    Case(
        "by-extension-and-logical",
        ("one.test",),
        "",
        extension(all_addresses_in_single_endpoint=True),
    ),
    Case("a-name-moves", ("moves.test",), more=SOON, again=True),
    Case("a-name-goes", ("goes.test",), more=SOON, again=True),
    Case("a-name-comes", ("comes.test",), more=SOON, again=True),
    Case("a-logical-name-moves", ("moves.test",), LOGICAL, SOON, again=True),
    Case("a-logical-name-goes", ("goes.test",), LOGICAL, SOON, again=True),
    Case("a-logical-name-comes", ("comes.test",), LOGICAL, SOON, again=True),
    Case("as-long-as-the-answer-holds", ("moves.test",), more=TTL, again=True),
]


def named(case: Case, name: str) -> str:
    """Return a name that no other case asks for."""
    return f"{case.id}.{name}" if name.endswith(".test") else name


def found(name: str, times: int) -> tuple[str, ...]:
    answers = KNOWN.get(name.partition(".")[2], ((),))
    return answers[min(times, len(answers)) - 1]


def cluster(case: Case, port: int, nameserver: int) -> dict[str, Any]:
    endpoints = [{"endpoint": {"address": _place(named(case, name), port)}} for name in case.names]
    resolver = {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {
            "@type": EXTENSIONS + "network.dns_resolver.cares.v3.CaresDnsResolverConfig",
            "resolvers": [_place("127.0.0.1", nameserver)],
            "dns_resolver_options": {"no_default_search_domain": True},
        },
    }
    one: dict[str, Any] = {
        "name": case.id,
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": case.id,
            "endpoints": [{"lb_endpoints": endpoints}],
        },
        **({"type": case.kind} if case.kind else {}),
        **case.more,
    }
    if case.kind:
        return {**one, "typed_dns_resolver_config": resolver}
    one["cluster_type"] = {
        **one["cluster_type"],
        "typed_config": {
            **one["cluster_type"]["typed_config"],
            "typed_dns_resolver_config": resolver,
        },
    }
    return one


def _place(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def listener() -> dict[str, Any]:
    routes = [
        {"match": {"prefix": f"/{case.id}/"}, "route": {"cluster": case.id}} for case in CASES
    ]
    table = {"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": routes}]}
    return http_listener("main", table, [])


@dataclass
class World:
    seen: dict[str, set[tuple[str | None, str]]]
    """By case: hosts and flags."""
    clusters: list[dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Backend(1) as backend, NameServer(found) as names:
        configured = [cluster(case, backend.ports[0], names.port) for case in CASES]
        with running([listener()], configured, tmp_path_factory.mktemp("envoy")) as envoy:
            for case in CASES:
                # Whoever asks a third time has heard the second answer.
                for name in case.names if case.again else ():
                    names.wait(named(case, name), 3)
            asked = [(case, f"{case.id}:{at}") for case in CASES for at in range(ASKED)]
            for case, one in asked:
                envoy.ask(one, f"/{case.id}/", {})
            logs = envoy.logged([one for _, one in asked])
        seen: dict[str, set[tuple[str | None, str]]] = {case.id: set() for case in CASES}
        for case, one in asked:
            seen[case.id].add((logs[one]["host"], logs[one]["flags"]))
        yield World(seen, configured)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_hosts(world: World, case: Case) -> None:
    times = dict.fromkeys((named(case, name) for name in case.names), 1)
    one = proxy(
        listener(),
        world.clusters,
        resolve=lambda name: Answer(addresses=found(name, times.get(name, 1))),
    )
    upstream = one.upstreams[case.id]
    if case.again:
        for name in times:
            times[name] = 2
            assert upstream.names is not None
            upstream.names.ask(name)
        upstream.update(upstream.cluster)
    got = set()
    for _ in range(ASKED):
        stream = streamed(one, Request(method="GET", authority="test", path=f"/{case.id}/"))
        record = play(stream, scripted("200")).stream.record()
        got.add(record.endpoint)
    assert got == {None if host in (None, "-") else host for host, _ in world.seen[case.id]}
