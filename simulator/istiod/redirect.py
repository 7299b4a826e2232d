"""Write redirects and direct responses.

Models    envoy.config.route.v3.RedirectAction, DirectResponseAction
Follows   istio pilot/pkg/networking/core/route/route.go (ApplyRedirect, ApplyDirectResponse)
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from simulator.config.istio import HTTPDirectResponse, HTTPRedirect
from simulator.config.objects import Object
from simulator.istiod.part import Part

_CODES = {
    0: "MOVED_PERMANENTLY",
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}
_DEFAULT_PORTS = {"http": 80, "https": 443}


def redirect(
    spec: HTTPRedirect,
    port: int,
    tls: bool,  # noqa: FBT001 - a fact of the server
    source: Object,
    at: str,
    match: Mapping[str, Any],
) -> Part:
    """Return a redirect as seen by clients of `port`; a code that Envoy lacks is taken as 301."""
    part = Part()
    part.note("", source, f"{at}.redirect")
    part.put("host_redirect", spec.authority or "")
    if spec.prefix_rewrite == "/" and "path_separated_prefix" in match:
        part.put("regex_rewrite", without_prefix(match["path_separated_prefix"]))
    elif spec.prefix_rewrite:
        part.put("prefix_rewrite", spec.prefix_rewrite, source, f"{at}.redirect.prefixRewrite")
    else:
        part.put("path_redirect", spec.uri or "")
    if spec.scheme:
        part.put("scheme_redirect", spec.scheme)
    target = spec.port or 0
    if spec.derive_port == "FROM_REQUEST_PORT":
        target = port
    scheme = spec.scheme or ("https" if tls else "http")
    if target and target != _DEFAULT_PORTS.get(scheme):
        part.put("port_redirect", target)
    code = _CODES.get(spec.redirect_code or 0, "MOVED_PERMANENTLY")
    part.put("response_code", code, source, f"{at}.redirect.redirectCode")
    return part


def without_prefix(prefix: str) -> dict[str, Any]:
    """Return a rewrite that takes a prefix away; what is left begins with one slash."""
    pattern = {"regex": f"^{re.escape(prefix)}(/?)(.*)"}
    return {"pattern": pattern, "substitution": r"/\2"}


def direct_response(spec: HTTPDirectResponse, source: Object, at: str) -> Part:
    """Return an answer that the proxy gives itself."""
    part = Part()
    part.note("", source, f"{at}.directResponse")
    part.put("status", spec.status, source, f"{at}.directResponse.status")
    body = spec.body
    if body is not None and body.string is not None:
        part.put("body", {"inline_string": body.string}, source, f"{at}.directResponse.body")
    elif body is not None and body.bytes is not None:
        decoded = base64.b64decode(body.bytes)
        part.put("body", {"inline_bytes": decoded}, source, f"{at}.directResponse.body")
    return part
