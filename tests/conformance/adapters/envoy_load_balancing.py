"""Envoy's unit tests of consistent hashing: rings, Maglev tables and picks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from simulator.envoy.balance import Balancer, Context
from simulator.envoy.balance.consistent import Bounded, Maglev, Ring
from simulator.envoy.compile import compile_cluster
from simulator.envoy.draws import Listed
from simulator.envoy.upstream import Upstream
from simulator.envoy_api import parse
from tests.conformance.table import Case, Table

_LB = {"ring_hash": "RING_HASH", "maglev": "MAGLEV"}
_SET = re.compile(r"(\w+)\(\)->set_value\((\d+)\)|set_(\w+)\((.*)\)")


def cases(table: Table) -> Iterator[Case]:
    """Yield the table's cases."""
    for at, one in enumerate(table.data["cases"]):
        yield Case(id=f"#{at} {one['test']}", data=one, check=partial(_check, one))


def _endpoint(text: str) -> dict[str, Any]:
    """Return the endpoint of a C++ test host: names and addresses quoted, then its weight."""
    quoted = re.findall(r'"([^"]*)"', text)
    address, _, port = quoted[-1].removeprefix("tcp://").rpartition(":")
    rest = text.rpartition('"')[2].strip(", ")
    where = {"socket_address": {"address": address, "port_value": int(port)}}
    endpoint: dict[str, Any] = {"endpoint": {"address": where}}
    if len(quoted) > 1:
        endpoint["endpoint"]["hostname"] = quoted[0]
    if rest:
        endpoint["load_balancing_weight"] = int(rest.split(",")[0])
    return endpoint


def _cluster(one: dict[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {}
    common: dict[str, Any] = {}
    hashing: dict[str, Any] = {}
    for statement in one["config_statements"]:
        found = _SET.search(statement)
        if found is None:
            if "locality_weighted" in statement:
                common["locality_weighted_lb_config"] = {}
            continue
        name = (found[1] or found[3]).removeprefix("mutable_")
        value: Any = found[2] or found[4]
        if name == "hash_function":
            own[name] = value.rpartition("::")[2].rpartition("HashFunction_")[2] or value
        elif name in ("use_hostname_for_hashing", "hash_balance_factor"):
            hashing[name] = value
        else:
            own[name] = value
    if one["table_size_arg"]:
        own["table_size"] = one["table_size_arg"]
    if hashing:
        common["consistent_hashing_lb_config"] = hashing
    hosts = [_endpoint(text) for text in one["hosts"]]
    return {
        "name": "c",
        "lb_policy": _LB[one["algorithm"]],
        f"{one['algorithm']}_lb_config": own,
        "common_lb_config": common,
        "load_assignment": {"cluster_name": "c", "endpoints": [{"lb_endpoints": hosts}]},
    }


def _check(one: dict[str, Any]) -> str | None:
    message = parse(_cluster(one), "envoy.config.cluster.v3.Cluster")
    upstream = Upstream(compile_cluster(message))
    assert isinstance(upstream.balancer, Balancer)
    table = upstream.balancer.table(0)
    inner = table.inner if isinstance(table, Bounded) else table
    keys = list(upstream.hosts)
    if one["ring"]:
        assert isinstance(inner, Ring)
        found: Any = [
            (int(keys[owner].rpartition(":")[2]), str(point))
            for point, owner in zip(inner.points, inner.owners, strict=True)
        ]
        expected: Any = [(each["port"], each["position"]) for each in one["ring"]]
        if found != expected:
            return f"expected the ring {expected}, found {found}"
    if one["maglev_table"] or one["expected_assignments"]:
        assert isinstance(inner, Maglev)
        found = list(inner.places)
        expected = (one["expected_assignments"] or [[]])[-1] or [
            keys.index(each["host"]) for each in one["maglev_table"]
        ]
        if found != expected:
            return f"expected the table {expected}, found {found}"
    for pick in one["picks"]:
        host = upstream.choose(Listed(), Context(hash=int(pick["hash"])))
        chosen = keys.index(host.endpoint.key) if host else None
        if chosen != pick["host_index"]:
            return f"expected host {pick['host_index']} for {pick['hash']}, found {chosen}"
    return None
