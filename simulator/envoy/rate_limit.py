"""What a rate limit service is told of a request: descriptors, made by actions.

Models    envoy.config.route.v3.RateLimit
Follows   envoy/source/common/router/router_ratelimit.cc
Leaves    extensions, limits that descriptors carry, the end of streams
          (docs/fidelity.md#rate-limit-service)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Protocol, TypeAlias

from simulator.envoy.match import Condition, Subject

Entry: TypeAlias = tuple[str, str]
Descriptor: TypeAlias = tuple[Entry, ...]
LEFT_OUT: Entry = ("", "")
"""What an action that is passed over gives; `None` is for one that gives no descriptor at all."""


class Action(Protocol):
    """Gives one entry of a descriptor."""

    def entry(self, subject: Subject, cluster: str) -> Entry | None:
        """Return it, for a request that is sent to `cluster`."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """`generic_key`: a text, whatever the request."""

    key: str
    value: str

    def entry(self, subject: Subject, cluster: str) -> Entry | None:  # noqa: ARG002
        """Return the text."""
        return self.key, self.value


@dataclass(frozen=True, slots=True)
class Cluster:
    """`destination_cluster`."""

    def entry(self, subject: Subject, cluster: str) -> Entry | None:  # noqa: ARG002
        """Return the cluster's name."""
        return "destination_cluster", cluster


@dataclass(frozen=True, slots=True)
class Header:
    """`request_headers`: the first line of a header."""

    name: str
    key: str
    skip_if_absent: bool

    def entry(self, subject: Subject, cluster: str) -> Entry | None:  # noqa: ARG002
        """Return the header, if it is there."""
        values = subject.request.values(self.name)
        if values:
            return self.key, values[0]
        return LEFT_OUT if self.skip_if_absent else None


@dataclass(frozen=True, slots=True)
class Query:
    """`query_parameters`."""

    name: str
    key: str
    skip_if_absent: bool

    def entry(self, subject: Subject, cluster: str) -> Entry | None:  # noqa: ARG002
        """Return the parameter, if it is there."""
        value = subject.query.get(self.name)
        if value is not None:
            return self.key, value
        return LEFT_OUT if self.skip_if_absent else None


@dataclass(frozen=True, slots=True)
class RemoteAddress:
    """`remote_address` and `masked_remote_address`."""

    key: str
    v4_length: int
    v6_length: int

    def entry(self, subject: Subject, cluster: str) -> Entry | None:  # noqa: ARG002
        """Return the client's address, or the range that it is in."""
        try:
            address = ip_address(subject.info.source_address)
        except ValueError:
            return None
        if self.key == "remote_address":
            return self.key, str(address)
        length = self.v4_length if address.version == 4 else self.v6_length
        return self.key, str(ip_network(f"{address}/{length}", strict=False))


@dataclass(frozen=True, slots=True)
class Matching:
    """`header_value_match` and `query_parameter_value_match`."""

    conditions: tuple[Condition, ...]
    expect_match: bool
    key: str
    value: str

    def entry(self, subject: Subject, cluster: str) -> Entry | None:  # noqa: ARG002
        """Return the text, if the conditions hold as expected."""
        if all(one.holds(subject) for one in self.conditions) != self.expect_match:
            return None
        return self.key, self.value


@dataclass(frozen=True, slots=True)
class Metadata:
    """`metadata`: what filters left behind."""

    filter: str
    path: tuple[str, ...]
    key: str
    default: str
    skip_if_absent: bool

    def entry(self, subject: Subject, cluster: str) -> Entry | None:  # noqa: ARG002
        """Return the text that is there, or else the default."""
        value = subject.info.metadata.get(self.filter, {})
        for step in self.path:
            value = value.get(step) if isinstance(value, dict) else None
        text = value if isinstance(value, str) and value else self.default
        if text:
            return self.key, text
        return LEFT_OUT if self.skip_if_absent else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """One descriptor, as configured."""

    stage: int
    actions: tuple[Action, ...]

    def descriptor(self, subject: Subject, cluster: str) -> Descriptor | None:
        """Return the descriptor of a request; `None`: it has none."""
        entries = []
        for action in self.actions:
            entry = action.entry(subject, cluster)
            if entry is None:
                return None
            if entry != LEFT_OUT:
                entries.append(entry)
        return tuple(entries)


def descriptors(limits: Iterable[RateLimit], subject: Subject, cluster: str) -> list[Descriptor]:
    """Return the descriptors of a request, in order."""
    made = (one.descriptor(subject, cluster) for one in limits)
    return [one for one in made if one is not None]
