"""What a chosen route makes of a request and of its response.

`finalize_request` gives the request as it goes upstream, `finalize_response` the
headers as they go back, `respond` the answer of a route that answers itself.

Models    RouteAction rewrites, HeaderValueOption, RedirectAction, DirectResponseAction
Follows   envoy/source/common/router/{config_impl,header_parser,router}.cc,
          source/common/http/utility.cc (newUri, updateAuthority)
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from simulator.envoy.format_commands import Facts
from simulator.envoy.formatter import render
from simulator.envoy.header_map import Headers, without
from simulator.envoy.local_reply import Reply
from simulator.envoy.match import PathKind, compiled, without_query
from simulator.envoy.mutation import Append, Mutations
from simulator.envoy.request import PLAIN, Request, StreamInfo
from simulator.envoy.rewrite import PathRewrite, Redirect, RegexRewrite
from simulator.envoy.route import RouteMatch

_GROUP = re.compile(r"\\([0-9\\])")
_ORIGINAL_PATH = "x-envoy-original-path"
_ORIGINAL_HOST = "x-envoy-original-host"
_FORWARDED_HOST = "x-forwarded-host"


def finalize_request(
    match: RouteMatch,
    request: Request,
    *,
    info: StreamInfo = PLAIN,
    keep_original: bool = True,
) -> Request:
    """Return the request as the route sends it upstream.

    `keep_original` notes the old path and host in `x-envoy-original-…` headers, which
    the router's `suppress_envoy_headers` switches off.
    """
    current = request
    if match.weighted is not None:
        current = mutated(match.weighted.request_headers, current, match, info)
        if match.weighted.host_rewrite:
            current = replace(current, authority=match.weighted.host_rewrite)
    for level in _levels(match, "request_headers"):
        current = mutated(level, current, match, info)
    current = _with_host(match, current, info, keep=keep_original)
    return _with_path(match, current, info, keep=keep_original)


def finalize_response(
    match: RouteMatch,
    headers: Headers,
    *,
    request: Request | None = None,
    info: StreamInfo = PLAIN,
    status: int | None = None,
) -> Headers:
    """Return the response headers as they go back to the client."""
    levels: list[Mutations] = []
    if match.weighted is not None:
        levels.append(match.weighted.response_headers)
    levels += _levels(match, "response_headers")
    for level in levels:
        if level:
            headers = without(headers, level.remove)
            facts = _facts(match, request or _NO_REQUEST, info, headers, status)
            headers = mutate(level, headers, facts)
    return headers


_NO_REQUEST = Request(method="", authority="", path="", scheme="")


def _levels(match: RouteMatch, which: str) -> list[Mutations]:
    levels: list[Mutations] = [
        getattr(match.route, which),
        getattr(match.virtual_host, which),
        getattr(match.table, which),
    ]
    if match.tls_redirect:
        return []
    return levels[::-1] if match.table.most_specific_wins else levels


def _facts(
    match: RouteMatch,
    request: Request,
    info: StreamInfo,
    response: Headers = (),
    status: int | None = None,
) -> Facts:
    return Facts(
        request=request,
        response_headers=response,
        info=info,
        route_name=match.route.name,
        cluster=match.cluster or "",
        status=status,
    )


def mutated(mutations: Mutations, request: Request, match: RouteMatch, info: StreamInfo) -> Request:
    """Return the request after what one level removes and adds."""
    if not mutations:
        return request
    request = replace(request, headers=without(request.headers, mutations.remove))
    facts = _facts(match, request, info)
    return replace(request, headers=mutate(mutations, request.headers, facts))


def mutate(mutations: Mutations, headers: Headers, facts: Facts) -> Headers:
    """Return headers after what one level adds; what it removes has to be gone already.

    Values are made from the headers as they are then; what overwrites is carried out
    before what appends.
    """
    present = {name for name, _ in headers}
    overwritten: dict[str, str] = {}
    appended: list[tuple[str, str]] = []
    for add in mutations.add:
        value = render(add.value, facts)
        if not value and not add.keep_empty:
            continue
        exists = add.name in present
        match add.action:
            case Append.APPEND_IF_EXISTS_OR_ADD:
                appended.append((add.name, value))
            case Append.ADD_IF_ABSENT:
                if not exists:
                    appended.append((add.name, value))
            case Append.OVERWRITE_IF_EXISTS_OR_ADD:
                overwritten[add.name] = value
            case Append.OVERWRITE_IF_EXISTS:
                if exists:
                    overwritten[add.name] = value
    if overwritten:
        headers = tuple(pair for pair in headers if pair[0] not in overwritten)
    return (*headers, *overwritten.items(), *appended)


def set_header(headers: Headers, name: str, value: str) -> Headers:
    """Return headers in which `name` has this one value."""
    return (*(pair for pair in headers if pair[0] != name), (name, value))


def _with_host(match: RouteMatch, request: Request, info: StreamInfo, *, keep: bool) -> Request:
    rewrite, host = match.route.host_rewrite, ""
    if rewrite.literal:
        host = rewrite.literal
    elif rewrite.header:
        host = request.first(rewrite.header) or ""
    elif rewrite.path_regex is not None:
        host = substitute(rewrite.path_regex, without_query(request.path))
    elif rewrite.format:
        host = render(rewrite.format, _facts(match, request, info), missing="-")
    return with_authority(request, host, append=rewrite.append_x_forwarded_host, keep=keep)


def with_authority(request: Request, host: str, *, append: bool, keep: bool) -> Request:
    """Return the request with another host; empty changes nothing.

    `keep` notes the old one in `x-envoy-original-host`.
    """
    if not host:
        return request
    headers = request.headers
    old = request.authority
    if append and old:
        known = request.first(_FORWARDED_HOST)
        if not known:
            headers = set_header(headers, _FORWARDED_HOST, old)
        elif known.split(",")[-1] != old:
            headers = set_header(headers, _FORWARDED_HOST, f"{known},{old}")
    if keep and old:
        headers = set_header(headers, _ORIGINAL_HOST, old)
    return replace(request, authority=host, headers=headers)


def _with_path(match: RouteMatch, request: Request, info: StreamInfo, *, keep: bool) -> Request:
    path = rewritten_path(match, match.route.path_rewrite, request, info)
    if path is None:
        return request
    headers = set_header(request.headers, _ORIGINAL_PATH, request.path) if keep else request.headers
    return replace(request, path=path, headers=headers)


def rewritten_path(
    match: RouteMatch, rewrite: PathRewrite, request: Request, info: StreamInfo = PLAIN
) -> str | None:
    """Return the path that a rewrite makes, its query kept; None where there is no rewrite."""
    if not rewrite:
        return None
    bare = without_query(request.path)
    query = request.path[len(bare) :]
    if rewrite.prefix:
        return rewrite.prefix + request.path[_matched(match, bare) :]
    if rewrite.regex is not None:
        return substitute(rewrite.regex, bare) + query
    if rewrite.template:
        return _from_template(match, rewrite.template, bare) + query
    made = render(rewrite.format, _facts(match, request, info))
    return made + query if made else None


def _matched(match: RouteMatch, bare: str) -> int:
    """Return how much of the path the route's matcher stands for."""
    path = match.route.path
    if path.kind in (PathKind.PREFIX, PathKind.PATH, PathKind.SEPARATED_PREFIX):
        return len(path.value)
    return len(bare)


def _from_template(match: RouteMatch, template: tuple[str, ...], bare: str) -> str:
    found = compiled(match.route.path.regex).fullmatch(bare)
    if found is None:
        return bare
    return "".join(
        (found.group(part) or "") if at % 2 else part for at, part in enumerate(template)
    )


def substitute(rewrite: RegexRewrite, text: str) -> str:
    """Return `text` with every match replaced; `\\1` stands for a group, as in RE2."""
    out: list[str] = []
    end, last = 0, -1
    for found in compiled(rewrite.pattern).finditer(text):
        start, stop = found.span()
        if start == stop == last:
            continue
        out += (text[end:start], _expand(rewrite.substitution, found))
        end = last = stop
    return "".join((*out, text[end:]))


def _expand(substitution: str, found: Any) -> str:  # noqa: ANN401 - the binding has no types
    def group(escape: re.Match[str]) -> str:
        return "\\" if escape[1] == "\\" else (found.group(int(escape[1])) or "")

    return _GROUP.sub(group, substitution)


def location(match: RouteMatch, request: Request, info: StreamInfo = PLAIN) -> str:
    """Return the URI that a redirect (or a direct response) points to."""
    if match.tls_redirect:
        return f"https://{request.authority}{request.path}"
    redirect = match.route.redirect
    if redirect is None:
        return f"{request.scheme}://{request.authority}{request.path}"
    scheme = redirect.scheme or ("https" if redirect.https else request.scheme)
    port = f":{redirect.port}" if redirect.port else ""
    host = redirect.host or _host_for(request, scheme, new_port=bool(port))
    path = _path_for(match, redirect, request, info)
    slash = "" if path.startswith("/") else "/"
    return f"{scheme}://{host}{port}{slash}{path}"


def _host_for(request: Request, scheme: str, *, new_port: bool) -> str:
    """Return the request's host, without a port that the new scheme or port makes wrong."""
    host = request.authority
    at = host.rfind("]:") + 1 if host.startswith("[") else host.rfind(":")
    if at <= 0:
        return host
    came_by = request.first("x-forwarded-proto") or request.scheme
    drop = new_port
    if scheme != came_by:
        drop |= (came_by, host[at:]) in (("https", ":443"), ("http", ":80"))
    return host[:at] if drop else host


def _path_for(match: RouteMatch, redirect: Redirect, request: Request, info: StreamInfo) -> str:
    own_query = "?" in redirect.path
    path = rewritten_path(match, redirect.path_rewrite, request, info) or request.path
    if redirect.path:
        _, mark, query = request.path.partition("?")
        path = redirect.path if own_query else f"{redirect.path}{mark}{query}"
    if redirect.strip_query and not own_query:
        path = path.partition("?")[0]
    return path


def respond(match: RouteMatch, request: Request, *, info: StreamInfo = PLAIN) -> Reply:
    """Return what a route answers that forwards nothing: a redirect or direct response."""
    route = match.route
    status, body = 404, ""
    if route.redirect is not None:
        status = route.redirect.status
    elif route.direct_response is not None:
        status, body = route.direct_response.status, route.direct_response.body
    headers: Headers = ()
    if (status == 201 or 300 <= status < 400) and request.path:
        headers = (("location", location(match, request, info)),)
    if route.redirect is not None:
        # What header formats call the path is what the redirect made of it, but for a format.
        rewrite = route.redirect.path_rewrite
        path = None if rewrite.format else rewritten_path(match, rewrite, request, info)
        request = replace(request, path=path or request.path)
    # Header formats do not know the status yet.
    headers = finalize_response(match, headers, request=request, info=info, status=0)
    return Reply(status=status, body=body, headers=headers)


def virtual_cluster(match: RouteMatch, request: Request) -> str | None:
    """Return the virtual cluster that a request falls into; None where none fits."""
    for one in match.virtual_host.virtual_clusters:
        if all(condition.matches(request.values(condition.name)) for condition in one.conditions):
            return one.name
    return None
