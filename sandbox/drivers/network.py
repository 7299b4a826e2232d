"""The network of a mesh in namespaces, as a shell script: one namespace a pod, one bridge.

The script runs where the supervisor will, in namespaces of its own: bridge, cables and pods are
gone with the last process there. A pod's namespace is kept by a file in the run directory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.drivers.interception import rules

OUTSIDE_ADDRESS = "192.0.2.10"
_OUTSIDE_GATEWAY = "192.0.2.1/24"
_GATEWAY = "10.244.255.254"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One namespace with an address."""

    namespace: str
    """The file that keeps it, below the run directory."""
    address: str
    captured: bool
    """Whether its connections are handed to a proxy beside it."""


def script(hosts: Iterable[Host], proxy: str, first: Iterable[str] = ()) -> str:
    """Return the script; `proxy` says how a proxy's own connections are known.

    It runs the commands `first`, builds the network, and becomes the command of its arguments.
    """
    given = [*hosts]
    cables = [
        line
        for number, host in enumerate(given)
        for line in (
            f"link add v{number} type veth peer name eth0 netns {host.namespace}",
            f"link set v{number} master br0 up",
        )
    ]
    bridge = [
        "link set lo up",
        "link add br0 type bridge",
        f"addr add {_GATEWAY}/16 dev br0",
        f"addr add {_OUTSIDE_GATEWAY} dev br0",
        "link set br0 up",
        # Whoever lives beyond the mesh is told of at once, not waited for.
        "route add unreachable default",
        *cables,
    ]
    lines = [
        "set -e",
        *first,
        "mkdir -p ns",
        *(f"touch {host.namespace}; unshare --net={host.namespace} true" for host in given),
        *_batch("ip -batch -", bridge),
        "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/icmp_ratelimit",
        *(line for host in given for line in _inside(host, proxy)),
        'exec "$@"',
    ]
    return "\n".join(lines) + "\n"


def _inside(host: Host, proxy: str) -> list[str]:
    outside = host.address == OUTSIDE_ADDRESS
    gateway = _OUTSIDE_GATEWAY.partition("/")[0] if outside else _GATEWAY
    commands = [
        "link set lo up",
        f"addr add {host.address}/{24 if outside else 16} dev eth0",
        "link set eth0 up",
        f"route add default via {gateway}",
    ]
    enter = f"nsenter --net={host.namespace}"
    lines = [
        *_batch(f"{enter} ip -batch -", commands),
        # A gateway listens on ports 80 and 443 without being root, as in a cluster.
        f"{enter} sh -c 'echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start'",
    ]
    if host.captured:
        lines += _batch(f"{enter} iptables-restore", rules(proxy).splitlines())
    return lines


def _batch(command: str, lines: Iterable[str]) -> list[str]:
    return [f"{command} <<'END'", *lines, "END"]
