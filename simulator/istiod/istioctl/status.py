"""How proxies stand to what istiod sends them, as `istioctl proxy-status` shows it.

Follows   istio istioctl/pkg/writer/pilot/status.go (the columns until Istio 1.26)
"""

from __future__ import annotations

from collections.abc import Mapping

from simulator.envoy_api import Resources
from simulator.envoy_api.discovery import TYPE_URLS, Request
from simulator.istiod import names
from simulator.istiod.discovery import Session, Status, Sync
from simulator.istiod.istioctl.table import Table

_KINDS = {"CDS": "clusters", "LDS": "listeners", "EDS": "endpoints", "RDS": "routes"}
_VERSION = "1"
_ISTIOD = f"istiod.{names.ROOT_NAMESPACE}"
_MODELLED = "1.32-dev"
"""The version of Istio that is modelled."""


def settled(resources: Resources) -> dict[str, Status]:
    """Return how a proxy stands once it has asked for all there is and accepted it."""
    session = Session(resources, _VERSION)
    for kind, each in resources.by_kind().items():
        named = kind not in ("clusters", "listeners")
        wanted = tuple(one.cluster_name if kind == "endpoints" else one.name for one in each)
        asked = Request(type_url=TYPE_URLS[kind], names=wanted if named else ())
        for sent in session.on_request(asked):
            accepted = Request(
                type_url=sent.type_url, version=sent.version, nonce=sent.nonce, names=asked.names
            )
            session.on_request(accepted)
    return session.status()


def table(statuses: Mapping[str, Mapping[str, Status]]) -> Table:
    """Return a row for each proxy, by its pod and kind of resource; in the order of names."""
    rows = []
    for pod in sorted(statuses):
        shown = (str(statuses[pod][kind].sync) for kind in _KINDS.values())
        # Extensions are not sent by themselves: there is nothing of theirs to accept.
        rows.append((pod, "Kubernetes", *shown, str(Sync.NOT_SENT), _ISTIOD, _MODELLED))
    return Table(
        columns=("NAME", "CLUSTER", *_KINDS, "ECDS", "ISTIOD", "VERSION"), rows=tuple(rows)
    )
