"""What a route makes of path and host: rewrites, redirects, direct responses.

Models    envoy.config.route.v3.{RouteAction, RedirectAction, DirectResponseAction}
Follows   envoy/source/common/router/config_impl.cc
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.envoy.formatter import Format
from simulator.observe.explain import FieldRef


@dataclass(frozen=True, slots=True, kw_only=True)
class RegexRewrite:
    """envoy.type.matcher.v3.RegexMatchAndSubstitute."""

    pattern: str
    substitution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRewrite:
    """At most one of the fields is set."""

    prefix: str = ""
    regex: RegexRewrite | None = None
    template: tuple[str, ...] = ()
    """Of a URI template: literals at even places, variable names at odd ones."""
    format: Format = ()

    def __bool__(self) -> bool:
        """Say whether there is anything to do."""
        return bool(self.prefix or self.regex or self.template or self.format)


NO_PATH_REWRITE = PathRewrite()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRewrite:
    """At most one of the fields is set."""

    literal: str = ""
    header: str = ""
    path_regex: RegexRewrite | None = None
    format: Format = ()
    automatic: bool = False
    """`auto_host_rewrite`: the endpoint's hostname, once an endpoint is chosen."""
    append_x_forwarded_host: bool = False


NO_HOST_REWRITE = HostRewrite()


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """envoy.config.route.v3.RedirectAction."""

    field: FieldRef
    status: int
    https: bool = False
    scheme: str = ""
    host: str = ""
    port: int = 0
    path: str = ""
    path_rewrite: PathRewrite = NO_PATH_REWRITE
    strip_query: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectResponse:
    """envoy.config.route.v3.DirectResponseAction."""

    field: FieldRef
    status: int
    body: str = ""
