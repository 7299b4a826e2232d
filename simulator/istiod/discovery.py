"""Speak xDS with one proxy: what to send, what it took, what it refused.

One `Session` is one aggregated stream. The machine is pure: it is told each
request and each new set of resources, and answers with the responses to send, in
order. The same machine serves the simulated control plane and real Envoys.

Models    envoy.service.discovery.v3.AggregatedDiscoveryService (state of the world)
Follows   istio pilot/pkg/xds/{ads,delta}.go, envoy docs "xDS REST and gRPC protocol"
Leaves    delta xDS, on-demand resources (docs/fidelity.md#delta-xds)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from simulator.envoy_api import Resources
from simulator.envoy_api.discovery import KINDS, TYPE_URLS, Request, Response, resource_name

_WILDCARD = frozenset({"clusters", "listeners"})
"""State of the world: every response of these kinds holds all resources."""


class Sync(StrEnum):
    """How a proxy stands to what it was sent; the words of `proxy-status`."""

    NOT_SENT = "NOT SENT"
    STALE = "STALE"
    """Sent, and not answered yet."""
    SYNCED = "SYNCED"
    ERROR = "ERROR"
    """The last response was refused; the one before it stays in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What one proxy holds of one kind."""

    sync: Sync
    sent_version: str = ""
    accepted_version: str = ""
    error: str | None = None
    """The proxy's own words, while the last response stands refused."""
    rejections: int = 0
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class _Subscription:
    names: tuple[str, ...]
    sent_version: str = ""
    nonce: str = ""
    answered: bool = False
    """Whether the response with `nonce` was accepted or refused."""
    accepted_version: str = ""
    error: str | None = None
    rejections: int = 0
    held: dict[str, Any] = field(default_factory=dict)
    """By name, what the last responses carried."""


class Session:
    """The control plane's side of one proxy's stream."""

    def __init__(self, resources: Resources, version: str) -> None:
        self._resources = _by_name(resources)
        self._version = version
        self._subscriptions: dict[str, _Subscription] = {}
        self._sent = 0

    def on_request(self, request: Request) -> tuple[Response, ...]:
        """Take one request in; return what it asks for.

        Raises ValueError for a type that istiod does not serve.
        """
        kind = KINDS.get(request.type_url)
        if kind is None:
            message = f"istiod does not serve {request.type_url}"
            raise ValueError(message)
        subscription = self._subscriptions.get(kind)
        if subscription is None:
            subscription = self._subscriptions[kind] = _Subscription(request.names)
            return self._respond(kind, subscription)
        if request.nonce != subscription.nonce:
            return ()  # an answer to an older response; the newest one's is on its way
        asked_again = subscription.answered or not subscription.nonce
        renamed = request.names != subscription.names
        subscription.names = request.names
        _answer(subscription, request)
        # Envoy repeats an EDS request, nonce and names unchanged, when a cluster is updated
        # and warms anew: left without a response, it would wait for it 15 s.
        return self._respond(kind, subscription) if asked_again or renamed else ()

    def push(self, resources: Resources, version: str) -> tuple[Response, ...]:
        """Take a new state of the world; return what changed for this proxy, in push order.

        Clusters and listeners are sent whole, of the other kinds only what changed.
        """
        before, self._resources = self._resources, _by_name(resources)
        self._version = version
        out: list[Response] = []
        for kind in TYPE_URLS:
            subscription = self._subscriptions.get(kind)
            now = self._resources[kind]
            if subscription is None or now == before[kind]:
                continue
            changed = {name for name, value in now.items() if subscription.held.get(name) != value}
            out += self._respond(kind, subscription, changed)
        return tuple(out)

    def status(self) -> dict[str, Status]:
        """Return, by kind, what was sent and what became of it."""
        return {kind: _status(self._subscriptions.get(kind)) for kind in TYPE_URLS}

    def _respond(
        self, kind: str, subscription: _Subscription, only: set[str] | None = None
    ) -> tuple[Response, ...]:
        available = self._resources[kind]
        if kind in _WILDCARD:
            chosen = available
        else:
            wanted = subscription.names if only is None else sorted(only & {*subscription.names})
            chosen = {name: available[name] for name in wanted if name in available}
            if not chosen:
                return ()  # nothing to say: Envoy waits until there is
        self._sent += 1
        subscription.nonce = f"{self._version}/{self._sent}"
        subscription.sent_version = self._version
        subscription.answered = False
        subscription.held = dict(chosen) if kind in _WILDCARD else subscription.held | chosen
        return (
            Response(
                kind=kind,
                version=self._version,
                nonce=subscription.nonce,
                resources=tuple(chosen.values()),
            ),
        )


def _answer(subscription: _Subscription, request: Request) -> None:
    if not subscription.nonce:
        return
    if request.error is not None:
        subscription.error = request.error
        subscription.rejections += not subscription.answered
    elif not subscription.answered:
        subscription.error = None
        subscription.accepted_version = subscription.sent_version
    subscription.answered = True


def _status(subscription: _Subscription | None) -> Status:
    if subscription is None or not subscription.nonce:
        return Status(sync=Sync.NOT_SENT, names=subscription.names if subscription else ())
    if not subscription.answered:
        sync = Sync.STALE
    else:
        sync = Sync.SYNCED if subscription.error is None else Sync.ERROR
    return Status(
        sync=sync,
        sent_version=subscription.sent_version,
        accepted_version=subscription.accepted_version,
        error=subscription.error,
        rejections=subscription.rejections,
        names=subscription.names,
    )


def _by_name(resources: Resources) -> dict[str, dict[str, Any]]:
    return {
        kind: {resource_name(kind, value): value for value in values}
        for kind, values in resources.by_kind().items()
    }
