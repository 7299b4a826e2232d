"""Serve xDS to real Envoys over one gRPC stream each, on a unix socket.

The rules (versions, nonces, what to send) are `simulator.istiod.discovery`'s; here
messages are only read, packed and written. No generated code: generic handlers on
the messages of `simulator.envoy_api`.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc

from simulator.envoy_api import Resources, message, pack
from simulator.envoy_api.discovery import Request, Response
from simulator.istiod.discovery import Session, Status, Sync

_log = logging.getLogger(__name__)
_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_CLOSED = object()


class AdsServer:
    """A control plane for the proxies that it knows, by node id; a context manager."""

    def __init__(self, resources: Mapping[str, Resources], socket: str) -> None:
        self._lock = threading.Lock()
        self._resources = dict(resources)
        self._version = 1
        self._sessions: dict[str, Session] = {}
        self._inboxes: dict[str, queue.SimpleQueue[Any]] = {}
        self._taken: dict[str, int] = {}
        """By node, the version that its session knows of."""
        self._cut: set[str] = set()
        # One thread for each stream's responses, one for its requests' decoding and spare ones
        # for the moment in which an Envoy reconnects.
        self._server = grpc.server(ThreadPoolExecutor(2 * len(self._resources) + 4, "ads"))
        handler = grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=message("envoy.service.discovery.v3.DiscoveryRequest").FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    _SERVICE, {"StreamAggregatedResources": handler}
                ),
            )
        )
        self._server.add_insecure_port(f"unix:{socket}")
        self.on_change: Callable[[], None] = lambda: None
        """Called, from a server thread, after each request of a proxy."""

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=None).wait()

    def push(self, resources: Mapping[str, Resources]) -> int:
        """Send each proxy what changed for it; return the version of it all."""
        with self._lock:
            self._version += 1
            self._resources.update(resources)
            for node, inbox in self._inboxes.items():
                inbox.put((self._version, self._resources[node]))
            return self._version

    def late(self, version: int) -> tuple[str, ...]:
        """Return the nodes that have not answered all that a version changed for them."""
        with self._lock:
            return tuple(
                node
                for node, session in self._sessions.items()
                if self._taken[node] < version
                or any(each.sync is Sync.STALE for each in session.status().values())
            )

    def cut(self, node: str) -> None:
        """End the stream of a proxy, and take none of it up."""
        with self._lock:
            self._cut.add(node)
            inbox = self._inboxes.get(node)
        if inbox is not None:
            inbox.put(_CLOSED)

    def mend(self, node: str) -> None:
        """Let a proxy connect again."""
        with self._lock:
            self._cut.discard(node)

    def status(self) -> dict[str, dict[str, Status]]:
        """Return, by node and kind, what each proxy was sent and what became of it."""
        with self._lock:
            return {node: each.status() for node, each in self._sessions.items()}

    def refusals(self) -> dict[str, dict[str, str]]:
        """Return, by node and kind, the words of each refusal that stands."""
        found = {
            node: {kind: each.error for kind, each in kinds.items() if each.error is not None}
            for node, kinds in self.status().items()
        }
        return {node: kinds for node, kinds in found.items() if kinds}

    def _stream(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        context.add_callback(lambda: inbox.put(_CLOSED))
        reader = threading.Thread(target=_read, args=(requests, inbox), daemon=True)
        reader.start()
        node = ""
        while (item := inbox.get()) is not _CLOSED:
            if not node:
                node = item.node.id
                if node not in self._resources:
                    context.abort(grpc.StatusCode.NOT_FOUND, f"no proxy is called {node!r}")
                if node in self._cut:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "cut off")
            for response in self._take(node, item, inbox):
                yield _encode(response)
        with self._lock:
            if self._inboxes.get(node) is inbox:
                del self._inboxes[node]

    def _take(
        self,
        node: str,
        item: Any,  # noqa: ANN401 - a request, or the version and resources of a push
        inbox: queue.SimpleQueue[Any],
    ) -> tuple[Response, ...]:
        with self._lock:
            if self._inboxes.get(node) is not inbox:  # a new stream starts from nothing
                self._inboxes[node] = inbox
                self._sessions[node] = Session(self._resources[node], str(self._version))
                self._taken[node] = self._version
            session = self._sessions[node]
            if isinstance(item, tuple):
                version, resources = item
                out = session.push(resources, str(version))
                self._taken[node] = version
            else:
                request = _decode(item)
                if request.error is not None:
                    _log.warning("configuration refused: %s: %s", node, request.error)
                out = session.on_request(request)
        self.on_change()
        return out


def _read(requests: Iterator[Any], inbox: queue.SimpleQueue[Any]) -> None:
    try:
        for request in requests:
            inbox.put(request)
    except grpc.RpcError:
        pass  # the stream broke: its end is announced by the context's callback
    finally:
        inbox.put(_CLOSED)


def _decode(request: Any) -> Request:  # noqa: ANN401 - made at run time
    return Request(
        type_url=request.type_url,
        version=request.version_info,
        nonce=request.response_nonce,
        names=tuple(request.resource_names),
        error=request.error_detail.message if request.HasField("error_detail") else None,
    )


def _encode(response: Response) -> Any:  # noqa: ANN401 - made at run time
    return message("envoy.service.discovery.v3.DiscoveryResponse")(
        version_info=response.version,
        type_url=response.type_url,
        nonce=response.nonce,
        resources=[pack(each) for each in response.resources],
    )
