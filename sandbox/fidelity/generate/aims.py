"""Invent listeners that are about one rare thing each, and requests for which it matters.

What a large table holds is seldom asked for; here it stands nearly alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from sandbox.fidelity.generate.case import Ask, Json

Maker = Callable[[Random], "Aim"]
Values = tuple[str | None, ...]
"""What a header may be; nothing where it may be left out."""

_MANAGER = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3."
    "HttpConnectionManager"
)
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A listener, and what its requests are made of."""

    listener: Json
    headers: tuple[tuple[str, Values], ...] = ()
    methods: tuple[str, ...] = ("GET",)
    hosts: tuple[str, ...] = ("a.test",)
    paths: tuple[str, ...] = ("/a",)
    scripts: tuple[tuple[str, ...], ...] = (("200",),)
    bodies: tuple[int, ...] = (0,)

    def ask(self, chance: Random) -> Ask:
        """Return one of its requests."""
        method = chance.choice(self.methods)
        drawn = [(name, chance.choice(values)) for name, values in self.headers]
        return Ask(
            method=method,
            host=chance.choice(self.hosts),
            path=chance.choice(self.paths),
            headers=tuple((name, value) for name, value in drawn if value is not None),
            script=chance.choice(self.scripts),
            body=chance.choice(self.bodies) if method in ("POST", "PUT") else 0,
        )


def each(make: Callable[[Random, int], Aim], ways: int) -> tuple[Maker, ...]:
    """Return what makes a listener in each of so many ways."""
    return tuple(partial(_way, make, at) for at in range(ways))


def _way(make: Callable[[Random, int], Aim], at: int, chance: Random) -> Aim:
    return make(chance, at)


def forward(cluster: str = "c0", **more: object) -> Json:
    """Return a route of every path to a cluster."""
    return {"name": "r", "match": {"prefix": "/"}, "route": {"cluster": cluster, **more}}


def filtered(name: str, kind: str, config: Json) -> Json:
    """Return an HTTP filter."""
    return {"name": name, "typed_config": typed(kind, config)}


def typed(kind: str, config: Json) -> Json:
    """Return the configuration of an HTTP filter."""
    return {"@type": f"type.googleapis.com/envoy.extensions.filters.http.{kind}", **config}


def listening(
    routes: Sequence[Json],
    filters: Sequence[Json] = (),
    *,
    host: Json | None = None,
    table: Json | None = None,
    manager: Json | None = None,
    router: Json | None = None,
) -> Json:
    """Return a listener of one virtual host."""
    own = host or {}
    # A host has routes, or a tree that leads to them.
    inside: Json = {} if "matcher" in own else {"routes": list(routes)}
    config: Json = {
        "@type": _MANAGER,
        "stat_prefix": "http",
        "http_filters": [
            *filters,
            {"name": "router", "typed_config": {"@type": _ROUTER, **(router or {})}},
        ],
        "route_config": {
            "name": "table",
            "virtual_hosts": [{"name": "h", "domains": ["*"], **inside, **own}],
            "validate_clusters": False,
            **(table or {}),
        },
        **(manager or {}),
    }
    return {"filter_chains": [{"filters": [{"name": "http", "typed_config": config}]}]}
