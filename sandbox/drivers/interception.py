"""The rules that hand every connection of a pod to its proxy, as text for `iptables-restore`.

What a proxy itself sends passes: it is known by its user, or, where only one user exists,
by the mark on its sockets.

Models    the nat table that istio-init sets with its defaults
Follows   istio tools/istio-iptables/pkg/capture/run.go
"""

from __future__ import annotations

from typing import Any

OUTBOUND_PORT = 15001
INBOUND_PORT = 15006
PROXY_UID = 1337
MARK = 1337
_TUNNEL_PORT = 15008
_NOT_CAPTURED = (15090, 15021, 15020)
"""Ports of the proxy itself: metrics, readiness, and both merged."""
_PASSED_THROUGH = "127.0.0.6"
"""From here a proxy connects to its own workload."""

BY_USER = f"-m owner --uid-owner {PROXY_UID}"
BY_MARK = f"-m mark --mark {MARK}"


def rules(proxy: str) -> str:
    """Return the rules; `proxy` says how its own connections are known."""
    others = proxy.replace("--", "! --", 1)
    lines = [
        "*nat",
        *(f":{chain} - [0:0]" for chain in ("IN", "TO_IN", "OUT", "TO_OUT")),
        f"-A TO_OUT -p tcp -j REDIRECT --to-ports {OUTBOUND_PORT}",
        f"-A TO_IN -p tcp -j REDIRECT --to-ports {INBOUND_PORT}",
        "-A PREROUTING -p tcp -j IN",
        *(f"-A IN -p tcp --dport {port} -j RETURN" for port in (_TUNNEL_PORT, *_NOT_CAPTURED)),
        "-A IN -p tcp -j TO_IN",
        "-A OUTPUT -p tcp -j OUT",
        f"-A OUT -o lo -s {_PASSED_THROUGH}/32 -j RETURN",
        # A proxy that calls a service of its own pod comes in as any client does.
        f"-A OUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport {_TUNNEL_PORT} {proxy} -j TO_IN",
        f"-A OUT -o lo {others} -j RETURN",
        f"-A OUT {proxy} -j RETURN",
        "-A OUT -d 127.0.0.1/32 -j RETURN",
        "-A OUT -j TO_OUT",
        "COMMIT",
    ]
    return "\n".join(lines) + "\n"


def marked() -> dict[str, Any]:
    """Return what of a bootstrap marks every connection that an Envoy opens."""
    so_mark = {"level": 1, "name": 36, "int_value": MARK, "state": "STATE_PREBIND"}
    return {
        "cluster_manager": {
            "upstream_bind_config": {
                "source_address": {"address": "0.0.0.0", "port_value": 0},
                "socket_options": [so_mark],
            }
        }
    }
