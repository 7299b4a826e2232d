"""How a client of a request file opens its connection, and what its request says."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlsplit

from cryptography import x509

from simulator.config.scenario import Request as Wanted
from simulator.config.scenario import TlsClient
from simulator.engine.ask import request_of
from simulator.engine.opening import BYTES, HTTP1, HTTP2, PLAIN, Opening
from simulator.engine.resolve import Target
from simulator.envoy.request import BYTES as NO_REQUEST
from simulator.envoy.request import Request
from simulator.envoy.tls import Certificate
from simulator.envoy.transport import ClientTls, Hello
from simulator.istiod.registry import Mesh

_SPEAKS = {"http1": HTTP1, "http2": HTTP2, "grpc": HTTP2, "tcp": BYTES, "tls": BYTES, "dns": BYTES}
_ALPN = {HTTP1: ("http/1.1",), HTTP2: ("h2",), BYTES: ()}
_GRPC = (("content-type", "application/grpc"), ("te", "trailers"))


class NoCertificateError(ValueError):
    """A Secret has no certificate that a client could show; says why."""


def opening(mesh: Mesh, wanted: Wanted) -> Opening:
    """Return how the connection of a request begins.

    Raises NoCertificateError.
    """
    speaks = _SPEAKS[wanted.protocol]
    secured = wanted.protocol == "tls" or wanted.url.lower().startswith("https:")
    if not secured and speaks == HTTP1:
        return PLAIN
    hello = _hello(mesh, wanted, _ALPN[speaks]) if secured else None
    return Opening(hello=hello, speaks=speaks, silent=speaks == BYTES and not wanted.body)


def request(target: Target, wanted: Wanted) -> Request:
    """Return what the client writes, inside TLS if there is any."""
    if _SPEAKS[wanted.protocol] == BYTES:
        return NO_REQUEST
    if wanted.protocol != "grpc":
        return request_of(target, wanted.method, wanted.headers, wanted.body)
    own = {name.lower() for name in wanted.headers}
    headers = {name: value for name, value in _GRPC if name not in own}
    return request_of(target, "POST", {**wanted.headers, **headers}, wanted.body)


def _hello(mesh: Mesh, wanted: Wanted, alpn: tuple[str, ...]) -> Hello:
    tls = wanted.tls or TlsClient()
    sni = (urlsplit(wanted.url).hostname or "") if tls.sni is None else tls.sni
    certificate = _certificate(mesh, tls.client_cert) if tls.client_cert else None
    offered = alpn if tls.alpn is None else tls.alpn
    return Hello(tls=ClientTls(sni=sni), sni=sni, alpn=offered, certificate=certificate)


def _certificate(mesh: Mesh, name: str) -> Certificate:
    """Return the certificate of a Secret named `NAMESPACE/NAME`."""
    namespace, _, short = name.rpartition("/")
    place = namespace or "default", short
    secrets = mesh.manifests.of("Secret")
    found = next((one for one in secrets if (one.namespace, one.name) == place), None)
    if found is None:
        message = f"there is no Secret {place[0]}/{place[1]} among the manifests"
        raise NoCertificateError(message)
    text = found.spec.string_data.get("tls.crt", "").encode()
    try:
        pem = text or base64.b64decode(found.spec.data.get("tls.crt", ""), validate=True)
        parsed = x509.load_pem_x509_certificate(pem)
    except (ValueError, binascii.Error) as error:
        message = f"the Secret {place[0]}/{place[1]} has no certificate in PEM form under tls.crt"
        raise NoCertificateError(message) from error
    return _told(parsed)


def _told(parsed: x509.Certificate) -> Certificate:
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    return Certificate(
        uri_sans=tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        dns_sans=tuple(names.get_values_for_type(x509.DNSName)),
        subject=parsed.subject.rfc4514_string(),
    )
