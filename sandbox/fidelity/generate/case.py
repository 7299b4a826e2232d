"""What a case is made of: a listener in Envoy's JSON form, and what it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

CLUSTERS = ("c0", "c1", "c2")
"""Clusters of one endpoint each; `gone` does not exist."""
HASHING = ("ring", "maglev")
"""Clusters of several endpoints, among which a hash chooses."""
REFUSING = "closed"
"""A cluster whose only endpoint refuses connections."""
FULL = "full"
"""A cluster that takes no request of high priority."""
NAMED = "named"
"""A cluster whose endpoint has a host name."""
LOOPBACK = "127.0.0.1"
PORT = 61_234
"""Stands for the port that the plane gives the listener."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, as it is written on the wire."""

    method: str
    host: str
    path: str
    headers: tuple[tuple[str, str], ...]
    script: tuple[str, ...] = ("200",)
    """What the endpoint does with each attempt, the last for all that follow: a status
    (`503+name:value` with a header), `close`, `garbage` or `hang`."""
    body: int = 0
    """How many bytes."""
    source: str = LOOPBACK
    """The client's address."""

    def host_at(self, port: int) -> str:
        """Return the host, asked of a listener at a port."""
        return self.host.replace(f":{PORT}", f":{port}")


@dataclass(frozen=True, slots=True)
class Dial:
    """One connection, of which only the first bytes are sent."""

    address: str
    """Which of the listener's addresses is dialled."""
    source: str
    source_port: int
    """0: any."""
    sni: str = ""
    alpn: tuple[str, ...] = ()
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """One listener and what it is asked, in order."""

    listener: Json
    asks: tuple[Ask | Dial, ...]


def flag(chance: Random, name: str, share: float) -> Json:
    """Return a field that is true, in so many cases."""
    return {name: True} if chance.random() < share else {}


def fraction(chance: Random) -> Json:
    """Return a RuntimeFractionalPercent that hits always or never."""
    name, of = chance.choice((("HUNDRED", 100), ("TEN_THOUSAND", 10_000), ("MILLION", 1_000_000)))
    return {"default_value": {"numerator": chance.choice((0, of, of)), "denominator": name}}


def the_manager(listener: Json) -> Json:
    """Return the connection manager of a listener that has one."""
    found: Json = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def is_http(listener: Json) -> bool:
    """Say whether a listener's requests are HTTP's."""
    chains = listener.get("filter_chains", ())
    return len(chains) == 1 and any(
        "http_filters" in each.get("typed_config", {}) for each in chains[0].get("filters", ())
    )


def messages(value: Any, key: str) -> Iterator[Any]:  # noqa: ANN401 - JSON
    """Yield every value of a field of this name, at any depth."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == key:
                yield inner
            yield from messages(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from messages(inner, key)
