"""The courses that are known of the requests on one connection of a proxy, by their shapes."""

from __future__ import annotations

from typing import Protocol

from simulator.envoy.commands import Attempt, Command, Queued
from simulator.envoy.connection import Connection
from simulator.envoy.course import MOST_KNOWN, Chance, Course, Running
from simulator.envoy.filters import chain as filter_chain
from simulator.envoy.header_map import first
from simulator.envoy.http import HttpChain
from simulator.envoy.proxy import Proxy
from simulator.envoy.request import Request
from simulator.envoy.request_id import REQUEST_ID
from simulator.envoy.route import RouteMatch, chosen, leaves_nothing_to_chance
from simulator.envoy.route_table import RouteEntry, RouteTable
from simulator.envoy.stream import Stream
from simulator.envoy.unread import identified, is_unread


class Shape:
    """A request that stands for all that are like it."""

    __slots__ = ("courses", "is_steady", "is_unread", "request", "route")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.is_unread = is_unread(request)
        self.is_steady = True
        """Whether each request may take the same course, as far as is known."""
        self.route: RouteEntry | None = None
        """The one with weighted clusters, among which each request draws."""
        self.courses: dict[int, Course] = {}
        """By the number of the weighted cluster; 0 without any."""


class Sender(Protocol):
    """Whoever a request comes from."""

    @property
    def request_id(self) -> str:
        """Return the id of the request where it is `UNREAD`."""
        ...


class Courses:
    """What is known of the requests on one connection."""

    __slots__ = ("_chain", "_config", "_connection", "_like", "_proxy", "_shapes")

    def __init__(self, proxy: Proxy, chain: HttpChain, connection: Connection) -> None:
        self._proxy = proxy
        self._chain = chain
        self._connection = connection
        self._config = proxy.config
        self._shapes: dict[int, Shape] = {}
        self._like: dict[Request, Shape] = {}

    def start(
        self, now: int, request: Request, chance: Chance, sender: Sender
    ) -> tuple[Running | Stream, Command]:
        """Take a request; return what has it now, and its first command."""
        if self._config is not self._proxy.config:
            self._forget()
        shape = self._shapes.get(id(request)) or self._shape(request)
        random = chance.fresh()
        route = shape.route
        course = shape.courses.get(0 if route is None else chosen(route, random))
        if course is not None:
            running = Running(course, chance, random)
            return running, running.start(now)
        if shape.is_unread:
            request = identified(request, sender.request_id)
        draws = chance.draws(random)
        stream = self._proxy.stream(self._chain, request, draws, connection=self._connection)
        command = stream.start(now)
        if shape.is_steady and isinstance(command, (Attempt, Queued)):
            self._learn(shape, request, stream, random)
        return stream, command

    def _shape(self, request: Request) -> Shape:
        # Requests that are alike are mostly one object.
        found = self._like.get(request)
        if found is None:
            if len(self._like) >= MOST_KNOWN:
                self._forget()
            found = self._like[request] = self._shapes[id(request)] = Shape(request)
        return found

    def _forget(self) -> None:
        self._config = self._proxy.config
        self._shapes.clear()
        self._like.clear()

    def _learn(self, shape: Shape, request: Request, stream: Stream, random: int) -> None:
        table = self._chain.route_table(self._config.routes)
        match = stream.routed.match
        # Where one cluster is made of others, whose host it is changes with their health.
        own = stream.routed.choice.owner is None
        shape.is_steady = own and table is not None and is_steady(self._chain, table, match)
        if not shape.is_steady:
            return
        route = match.route
        if route.weighted_clusters:
            shape.route = route
        gives_id = stream.request.first(REQUEST_ID) != request.first(REQUEST_ID)
        course = Course(stream, has_id=gives_id or shape.is_unread, gives_id=gives_id)
        shape.courses[0 if shape.route is None else chosen(route, random)] = course


def is_steady(chain: HttpChain, table: RouteTable, match: RouteMatch) -> bool:
    """Say whether requests like the one that was routed so are all sent on in the same way."""
    return (
        not (chain.names_unread or chain.always_set_request_id_in_response)
        and not table.names_unread
        and leaves_nothing_to_chance(match)
        and filter_chain.is_steady(chain.filters, match)
    )


def own_id(request: Request, stream: Stream) -> str | None:
    """Return the id that a stream's request has and the `request` that came has not."""
    identity = first(stream.request.headers, REQUEST_ID)
    return None if identity == first(request.headers, REQUEST_ID) else identity
