"""How proxies stand to what istiod sends them, as `istioctl proxy-status` shows it.

Follows   istio istioctl/pkg/writer/pilot/status.go (the columns until Istio 1.26)
"""

from __future__ import annotations

from collections.abc import Mapping

from simulator.istiod import names
from simulator.istiod.discovery import Status, Sync
from simulator.istiod.istioctl.table import Table

_KINDS = {"CDS": "clusters", "LDS": "listeners", "EDS": "endpoints", "RDS": "routes"}
_ISTIOD = f"istiod.{names.ROOT_NAMESPACE}"
_MODELLED = "1.32-dev"
"""The version of Istio that is modelled."""


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
