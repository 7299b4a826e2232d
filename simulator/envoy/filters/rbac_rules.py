"""What a permission or a principal of RBAC asks of a request and its connection.

Header, metadata, filter-state and template conditions are those of routes.

Models    envoy.config.rbac.v3.{Permission, Principal}
Follows   envoy/source/extensions/filters/common/rbac/matchers.cc
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Protocol

from simulator.envoy import cel
from simulator.envoy.cel_parse import Expr
from simulator.envoy.chain_match import Network
from simulator.envoy.format_commands import Facts
from simulator.envoy.match import StringMatcher, Subject
from simulator.envoy.tls import Certificate


class Rule(Protocol):
    """One condition, or several put together."""

    def holds(self, subject: Subject) -> bool:
        """Say whether it holds."""
        ...

    def why(self, subject: Subject) -> str:
        """Return why it does not hold, for a learner."""
        ...


@dataclass(frozen=True, slots=True)
class Always:
    """`any: true`."""

    def holds(self, subject: Subject) -> bool:  # noqa: ARG002 - a rule's signature
        """Say yes."""
        return True

    def why(self, subject: Subject) -> str:  # noqa: ARG002 - a rule's signature
        """Return nothing: it always holds."""
        return ""


@dataclass(frozen=True, slots=True)
class Expression:
    """`condition`: a CEL expression."""

    tree: Expr

    def holds(self, subject: Subject) -> bool:
        """Say whether it is true."""
        return cel.holds(self.tree, Facts(request=subject.request, info=subject.info))

    def why(self, subject: Subject) -> str:
        """Return that it is not."""
        found = cel.value_of(self.tree, Facts(request=subject.request, info=subject.info))
        return f"its condition is {'false' if found is False else 'without a value'}"


@dataclass(frozen=True, slots=True)
class All:
    """`and_rules`, `and_ids`: each must hold."""

    rules: tuple[Rule, ...]

    def holds(self, subject: Subject) -> bool:
        """Say whether every rule holds."""
        return all(rule.holds(subject) for rule in self.rules)

    def why(self, subject: Subject) -> str:
        """Return why the first one that does not hold does not."""
        return next((one.why(subject) for one in self.rules if not one.holds(subject)), "")


@dataclass(frozen=True, slots=True)
class AnyOf:
    """`or_rules`, `or_ids`, and the list of a policy: one must hold."""

    rules: tuple[Rule, ...]

    def holds(self, subject: Subject) -> bool:
        """Say whether a rule holds."""
        return any(rule.holds(subject) for rule in self.rules)

    def why(self, subject: Subject) -> str:
        """Return why none holds, each reason once."""
        return "; ".join(dict.fromkeys(one.why(subject) for one in self.rules)) or "none is given"


@dataclass(frozen=True, slots=True)
class Not:
    """`not_rule`, `not_id`."""

    rule: Rule
    field: str

    def holds(self, subject: Subject) -> bool:
        """Say whether the rule inside does not hold."""
        return not self.rule.holds(subject)

    def why(self, subject: Subject) -> str:  # noqa: ARG002 - a rule's signature
        """Return that the rule inside holds."""
        return f"what {self.field} excludes is the case"


@dataclass(frozen=True, slots=True)
class UrlPath:
    """`url_path`: the path without query string and fragment."""

    text: StringMatcher

    def holds(self, subject: Subject) -> bool:
        """Say whether the path is as asked; there is none where there is no HTTP."""
        return bool(subject.request.path) and self.text.matches(subject.path)

    def why(self, subject: Subject) -> str:
        """Return why it does not hold."""
        return f'the path "{subject.path}" {self.text.relation()}'


class Side(StrEnum):
    """Whose address is looked at."""

    DESTINATION = "destination_ip"
    SOURCE = "source_ip"
    DIRECT = "direct_remote_ip"
    REMOTE = "remote_ip"


_SIDES = {
    Side.DESTINATION: "the destination address",
    Side.SOURCE: "the address of the connection's source",
    Side.DIRECT: "the address of the peer",
    Side.REMOTE: "the address of the client",
}


@dataclass(frozen=True, slots=True)
class Address:
    """`destination_ip`, `source_ip`, `direct_remote_ip` or `remote_ip`."""

    side: Side
    network: Network

    def holds(self, subject: Subject) -> bool:
        """Say whether the address lies in the range."""
        try:
            address = ip_address(self._seen(subject))
        except ValueError:
            return False
        return address in self.network

    def why(self, subject: Subject) -> str:
        """Return why it does not hold."""
        seen = self._seen(subject) or "unknown"
        return f"{_SIDES[self.side]} is {seen}, which is not in {self.network}"

    def _seen(self, subject: Subject) -> str:
        connection = subject.info.connection
        if self.side is Side.REMOTE:
            return subject.info.source_address
        if connection is None:
            return ""
        match self.side:
            case Side.DESTINATION:
                return connection.address
            case Side.SOURCE:
                return connection.source_ip
            case _:
                return connection.direct_source_ip or connection.source_ip


@dataclass(frozen=True, slots=True)
class Port:
    """`destination_port` and `destination_port_range`: `start` up to, without, `end`."""

    start: int
    end: int

    def holds(self, subject: Subject) -> bool:
        """Say whether the destination's port lies in the range."""
        return self.start <= self._seen(subject) < self.end

    def why(self, subject: Subject) -> str:
        """Return why it does not hold."""
        wanted = self.start if self.end == self.start + 1 else f"in [{self.start}, {self.end})"
        return f"the destination port is {self._seen(subject)}, not {wanted}"

    def _seen(self, subject: Subject) -> int:
        connection = subject.info.connection
        return -1 if connection is None else connection.port


@dataclass(frozen=True, slots=True)
class ServerName:
    """`requested_server_name`."""

    text: StringMatcher

    def holds(self, subject: Subject) -> bool:
        """Say whether the server name (SNI) is as asked."""
        return self.text.matches(self._seen(subject))

    def why(self, subject: Subject) -> str:
        """Return why it does not hold."""
        return f'the server name (SNI) is "{self._seen(subject)}", which {self.text.relation()}'

    def _seen(self, subject: Subject) -> str:
        connection = subject.info.connection
        return "" if connection is None else connection.sni


@dataclass(frozen=True, slots=True)
class Authenticated:
    """`authenticated`: one of the names of the peer's certificate.

    Without a name, TLS is enough: Envoy leaves it to the listener to ask for certificates.
    """

    name: StringMatcher | None

    def holds(self, subject: Subject) -> bool:
        """Say whether the peer is who it must be."""
        connection = subject.info.connection
        if connection is None or connection.transport != "tls":
            return False
        return self.name is None or any(self.name.matches(one) for one in _names(connection.peer))

    def why(self, subject: Subject) -> str:
        """Return why it does not hold."""
        connection = subject.info.connection
        if connection is None or connection.transport != "tls":
            return "the client is not known: its connection is not secured by TLS"
        if connection.peer is None:
            return "the client is not known: it showed no certificate"
        shown = " or ".join(f'"{name}"' for name in _names(connection.peer))
        relation = self.name.relation() if self.name is not None else ""
        return f"the client is {shown}, which {relation}"


def _names(peer: Certificate | None) -> tuple[str, ...]:
    """Return what may be a principal's name; the subject is always one, even an empty one."""
    return ("",) if peer is None else (*peer.uri_sans, *peer.dns_sans, peer.subject)
