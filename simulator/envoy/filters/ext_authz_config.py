"""Which service says whether a request may pass, as configured.

Models    envoy.extensions.filters.http.ext_authz.v3.{ExtAuthz, ExtAuthzPerRoute}
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.envoy.filters.fault_config import Fraction
from simulator.envoy.header_map import Headers
from simulator.envoy.match import StringMatcher
from simulator.envoy.metadata_match import MetadataMatcher
from simulator.observe.explain import FieldRef

GRPC_PATH = "/envoy.service.auth.v3.Authorization/Check"


@dataclass(frozen=True, slots=True)
class Names:
    """A list of header names to be matched; `None` in its place: it is not given."""

    matchers: tuple[StringMatcher, ...]

    def hold(self, name: str) -> bool:
        """Say whether a header is among them."""
        return any(one.matches(name) for one in self.matchers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """`http_service` or `grpc_service`."""

    cluster: str
    timeout_ns: int
    """0: none."""
    grpc: bool = False
    authority: str = ""
    path_prefix: str = ""
    path_override: str = ""
    allowed_headers: Names | None = None
    headers_to_add: Headers = ()
    upstream_headers: Names | None = None
    upstream_headers_to_append: Names | None = None
    client_headers: Names | None = None
    client_headers_on_success: Names | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """`with_request_body`: how much of a request's body is held and sent along."""

    max_bytes: int
    partial: bool
    """Whether what is larger is cut, not refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtAuthzConfig:
    """envoy.extensions.filters.http.ext_authz.v3.ExtAuthz."""

    field: FieldRef
    service: Service | None
    """None: the filter asks nobody."""
    failure_mode_allow: bool
    failure_mode_allow_header_add: bool
    clear_route_cache: bool
    status_on_error: int
    enabled: Fraction
    enabled_metadata: MetadataMatcher | None
    allowed_headers: Names | None
    disallowed_headers: Names | None
    body: Body | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtAuthzPerRoute:
    """envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute."""

    disabled: bool
    without_body: bool = False
    """Whether bodies are not held, whatever the filter says."""
    body: Body | None = None
    """What counts instead of the filter's own."""
