"""What the cluster's DNS tells a proxy of a name: Kubernetes' Services, and a scenario's records.

A proxy's own questions do not pass istiod's DNS capture, so ServiceEntries are unknown here.
"""

from __future__ import annotations

from collections.abc import Mapping

from simulator.config.scenario import DnsRecord
from simulator.engine.resolve import searched
from simulator.envoy.dns import Answer, version
from simulator.istiod.registry import Mesh, Pod, Service
from simulator.istiod.service import UNSPECIFIED

_TTL_NS = 30_000_000_000
"""As the usual Corefile of CoreDNS has it."""
_MAX_ALIASES = 8
_UNKNOWN = Answer()


def look_up(
    mesh: Mesh, records: Mapping[str, DnsRecord], client: Pod, name: str, depth: int = 0
) -> Answer:
    """Return the addresses of a name, in the order in which they are written.

    Names that lead on to other names in a circle have none.
    """
    if version(name):
        return Answer(addresses=(name,))
    if depth > _MAX_ALIASES:
        return _UNKNOWN
    for full in searched(client.namespace, name.lower()):
        record = records.get(full)
        service = mesh.services.get(full)
        if record is not None:
            aliases, ttl_ns = record.addresses, record.ttl
        elif service is not None and service.kubernetes:
            aliases, ttl_ns = _of_service(service), _TTL_NS
        else:
            continue
        answers = [look_up(mesh, records, client, each, depth + 1) for each in aliases]
        addresses = dict.fromkeys(each for answer in answers for each in answer.addresses)
        known = [answer.ttl_ns for answer in answers if answer.ttl_ns]
        return Answer(addresses=tuple(addresses), ttl_ns=min([ttl_ns, *known]))
    return _UNKNOWN


def _of_service(service: Service) -> tuple[str, ...]:
    if service.external_name:
        return (service.external_name,)
    if service.ip != UNSPECIFIED:
        return (service.ip,)
    return tuple(endpoint.address for endpoint in service.endpoints)
