"""Write redirects and direct responses.

Models    envoy.config.route.v3.RedirectAction, DirectResponseAction
Follows   istio pilot/pkg/networking/core/route/route.go (ApplyRedirect, ApplyDirectResponse)
"""

from __future__ import annotations

import base64

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


def redirect(spec: HTTPRedirect, port: int, tls: bool, source: Object, at: str) -> Part:  # noqa: FBT001 - a fact of the server
    """Return a redirect as seen by clients of `port`; a code that Envoy lacks is taken as 301."""
    part = Part()
    part.note("", source, f"{at}.redirect")
    part.put("host_redirect", spec.authority or "")
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
