"""Make an observed request happen again: its choices, and its workloads' answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simulator.envoy.compile import Config
from simulator.envoy.draws import Forced
from simulator.istiod.registry import Mesh, Pod
from simulator.observe.observation import Hop, Observation

_UPSTREAM = "via_upstream"
_GONE = "DC"
_NO_CLUSTER = "NC"


class Observed:
    """What a real mesh did with a request, handed out in the order in which it is asked for."""

    def __init__(
        self, observed: Observation, mesh: Mesh, configuration: Callable[[Pod], Config]
    ) -> None:
        self._hops = list(observed.hops)
        self._status = observed.status
        self._mesh = mesh
        self._configuration = configuration
        self._claimed: set[int] = set()
        self._answers: dict[str, list[Hop]] = {}
        """Inbound hops by proxy, whose workload has not yet answered."""
        self._last_outbound: dict[str, Hop] = {}
        """By `ip:port`: what the client's proxy saw of a workload without a proxy."""

    def claim(self, proxy: Pod, direction: str) -> Forced:
        """Return the choices of the proxy's next passage; none if it was not observed."""
        for at, hop in enumerate(self._hops):
            if at in self._claimed or (hop.proxy, hop.direction) != (proxy.ref, direction):
                continue
            self._claimed.add(at)
            if direction == "inbound" and hop.attempts != 0:
                self._answers.setdefault(proxy.ref, []).append(hop)
            return self._forced(at, hop, proxy)
        return Forced()

    def work(self, pod: Pod, port: int, now: int) -> tuple[int, int | None]:
        """Return what the workload's next answer was, and when it is due (`None`: never)."""
        waiting = self._answers.get(pod.ref)
        hop = waiting.pop(0) if waiting else self._last_outbound.get(f"{pod.ip}:{port}")
        if hop is None:
            return 200, now
        if _GONE in hop.response_flags:
            return 200, None
        if hop.protocol is None and not hop.response_flags:
            # Carried as TCP: the proxy did not read what the workload said.
            return self._status or 200, now + (hop.duration_ns or 0)
        if hop.details != _UPSTREAM or hop.status is None:
            # The proxy answered by itself, before its workload did: it gave up waiting.
            return 200, None
        return hop.status, now + (hop.duration_ns or 0)

    def _forced(self, at: int, hop: Hop, proxy: Pod) -> Forced:
        faults = "DI" in hop.response_flags, "FI" in hop.response_flags
        endpoints = None if hop.direction == "inbound" else self._endpoints(at, hop, proxy)
        return Forced(
            cluster=hop.cluster or self._missing(hop, proxy),
            endpoints=endpoints,
            delayed=faults[0],
            aborted=faults[1],
        )

    def _missing(self, hop: Hop, proxy: Pod) -> str | None:
        """Return the chosen cluster of a hop whose cluster does not exist: it logs none."""
        if _NO_CLUSTER not in hop.response_flags:
            return None
        config = self._configuration(proxy)
        for table in config.routes.values():
            for host in table.virtual_hosts:
                if host.name != hop.virtual_host:
                    continue
                for route in host.routes:
                    for entry in route.weighted_clusters:
                        if route.name == (hop.route or "") and entry.name not in config.clusters:
                            return entry.name
        return None

    def _endpoints(self, at: int, hop: Hop, proxy: Pod) -> tuple[str, ...] | None:
        """Return each attempt's endpoint: the last is in the hop, the others were visited."""
        address = hop.upstream.address if hop.upstream else None
        if address is None or not hop.attempts:
            return None
        self._last_outbound[address] = hop
        visited = self._visited(at, self._hosts(proxy, hop.cluster))
        earlier = visited[: hop.attempts - 1]
        return (*earlier, address) if len(earlier) == hop.attempts - 1 else None

    def _visited(self, at: int, hosts: dict[str, str]) -> Sequence[str]:
        """Return the endpoints among `hosts` (by address) that proxies saw after hop `at`."""
        pods = {pod.ref: pod.ip for pod in self._mesh.pods}
        found = []
        for later, hop in enumerate(self._hops[at + 1 :], start=at + 1):
            ip = pods.get(hop.proxy, "")
            if hop.direction == "inbound" and later not in self._claimed and ip in hosts:
                found.append(hosts[ip])
        return found

    def _hosts(self, proxy: Pod, cluster: str | None) -> dict[str, str]:
        known = self._configuration(proxy).clusters.get(cluster or "")
        return {one.address: one.key for one in known.endpoints} if known else {}
