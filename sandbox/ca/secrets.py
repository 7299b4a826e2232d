"""Write the secrets that a proxy's resources name.

Models    envoy.extensions.transport_sockets.tls.v3.Secret
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.ca.authority import Authority
from simulator.envoy_api import Resources, message, unpack
from simulator.istiod.sds import asked_of_istiod

_SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"


def secrets(resources: Resources, identity: str, authority: Authority) -> tuple[Any, ...]:
    """Return a secret for each name: what the resources hold, else the proxy's own.

    Certificates that they lack are the one of `identity`, roots the authority's: a sandbox
    has no other files. What is istiod's to supply, and it does not have, stays away.
    """
    given = {each.name for each in resources.secrets}
    own: dict[str, None] = {}
    roots: dict[str, None] = {}
    for context in _contexts(resources):
        for each in context.tls_certificate_sds_secret_configs:
            own[each.name] = None
        combined = context.combined_validation_context
        if combined.HasField("validation_context_sds_secret_config"):
            roots[combined.validation_context_sds_secret_config.name] = None
    found = list(resources.secrets)
    own = {name: None for name in own if name not in given and not asked_of_istiod(name)}
    if own:
        issued = authority.issue(identity)
        pair = {
            "certificate_chain": {"inline_string": issued.certificate},
            "private_key": {"inline_string": issued.key},
        }
        found += [message(_SECRET)(name=name, tls_certificate=pair) for name in own]
    trusted = {"trusted_ca": {"inline_string": authority.root}}
    found += [
        message(_SECRET)(name=name, validation_context=trusted)
        for name in roots
        if name not in given and not asked_of_istiod(name)
    ]
    return tuple(sorted(found, key=lambda each: str(each.name)))


def _contexts(resources: Resources) -> Iterator[Any]:
    for socket in _sockets(resources):
        context = unpack(socket.typed_config)
        if hasattr(context, "common_tls_context"):
            yield context.common_tls_context


def _sockets(resources: Resources) -> Iterator[Any]:
    for listener in resources.listeners:
        for chain in (*listener.filter_chains, listener.default_filter_chain):
            if chain.HasField("transport_socket"):
                yield chain.transport_socket
    for cluster in resources.clusters:
        if cluster.HasField("transport_socket"):
            yield cluster.transport_socket
        for each in cluster.transport_socket_matches:
            yield each.transport_socket
