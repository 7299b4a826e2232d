"""Compile the endpoints of a cluster.

Models    envoy.config.endpoint.v3.ClusterLoadAssignment
Follows   envoy/source/common/upstream/upstream_impl.cc, source/extensions/clusters/eds/eds.cc
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulator import envoy_api
from simulator.envoy.cluster import Endpoint, Health
from simulator.envoy.rejected import Scope

# envoy.config.core.v3.HealthStatus: UNHEALTHY, DRAINING, TIMEOUT; DEGRADED.
_HEALTH = {
    2: Health.UNHEALTHY,
    3: Health.UNHEALTHY,
    4: Health.UNHEALTHY,
    5: Health.DEGRADED,
}
_DRAINING = 3


def endpoints(assignment: Any, scope: Scope) -> Iterator[Endpoint]:  # noqa: ANN401 - protobuf
    """Yield the endpoints in order; of several with one address, the first counts."""
    seen: set[str] = set()
    for i, group in enumerate(assignment.endpoints):
        inner = scope.at("endpoints", i)
        where = locality_name(group.locality)
        for j, entry in enumerate(group.lb_endpoints):
            here = inner.at("lb_endpoints", j)
            address = entry.endpoint.address
            if not address.HasField("socket_address"):
                here.skip("", "only endpoints with an IP address and a port are called")
                continue
            checked = entry.endpoint.health_check_config
            if checked.HasField("address"):
                inside = here.at("endpoint").at("health_check_config")
                inside.skip("address", "an endpoint is checked at its own address")
            endpoint = Endpoint(
                address=address.socket_address.address,
                port=address.socket_address.port_value,
                weight=entry.load_balancing_weight.value
                if entry.HasField("load_balancing_weight")
                else 1,
                health=_HEALTH.get(entry.health_status, Health.HEALTHY),
                status=_status(entry),
                locality=where,
                priority=group.priority,
                hostname=entry.endpoint.hostname,
                draining=entry.health_status == _DRAINING,
                unchecked=checked.disable_active_health_check,
                check_port=checked.port_value,
                check_hostname=checked.hostname,
                metadata=envoy_api.format(entry.metadata) if entry.HasField("metadata") else {},
                field_path=here.path,
            )
            if endpoint.key not in seen:
                seen.add(endpoint.key)
                yield endpoint


def _status(entry: Any) -> str:  # noqa: ANN401 - protobuf
    words = entry.DESCRIPTOR.fields_by_name["health_status"].enum_type.values_by_number
    return str(words[entry.health_status].name)


def locality_name(locality: Any) -> str:  # noqa: ANN401 - protobuf
    """Return `region/zone/subzone`, without what is empty at its end."""
    return "/".join((locality.region, locality.zone, locality.sub_zone)).rstrip("/")


def locality_weights(assignment: Any) -> dict[tuple[int, str], int]:  # noqa: ANN401 - protobuf
    """Return the weight of each locality of each priority that has one."""
    return {
        (group.priority, locality_name(group.locality)): int(group.load_balancing_weight.value)
        for group in assignment.endpoints
        if group.HasField("load_balancing_weight")
    }
