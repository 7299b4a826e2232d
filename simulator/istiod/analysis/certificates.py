"""Certificates of Gateways: Secrets that do not exist or hold none, and those used twice.

Follows   istio pkg/config/analysis/analyzers/gateway/{certificate,secret}.go
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator

from simulator.config.istio import ServerTLSSettings
from simulator.config.mistakes import near
from simulator.config.objects import Object
from simulator.diagnostics import Diagnostic
from simulator.istiod.analysis.report import report
from simulator.istiod.registry import Mesh

_BEGIN = b"-----BEGIN "
_PAIRS = (("tls.crt", "tls.key"), ("cert", "key"))


def duplicates(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0138 for each Gateway that has another Gateway's certificate."""
    gateways = mesh.manifests.of("Gateway")
    for source in gateways:
        chosen = source.spec.selector.items()
        for other in gateways:
            if other is source or not chosen <= other.spec.selector.items():
                continue
            shared = (
                at
                for at, server in enumerate(source.spec.servers)
                if any(_same(server.tls, theirs.tls) for theirs in other.spec.servers)
            )
            at = next(shared, None)
            if at is not None:
                yield report("IST0138", source, f"spec.servers[{at}].tls", other=other.ref)


def _same(mine: ServerTLSSettings | None, theirs: ServerTLSSettings | None) -> bool:
    if mine is None or theirs is None:
        return False
    if mine.credential_name or theirs.credential_name:
        return mine.credential_name == theirs.credential_name
    written = bool(mine.server_certificate and mine.private_key)
    return written and (mine.server_certificate, mine.private_key) == (
        theirs.server_certificate,
        theirs.private_key,
    )


def secrets(mesh: Mesh) -> Iterator[Diagnostic]:
    """Yield IST0101 for Secrets that do not exist, IST0161 for those without a certificate."""
    for source in mesh.manifests.of("Gateway"):
        labels = source.spec.selector.items()
        home = next((pod.namespace for pod in mesh.pods if labels <= pod.labels.items()), None)
        if home is None:
            written = ", ".join(f"{key}={value}" for key, value in labels)
            advice = "write istio: ingressgateway, or deploy pods with these labels"
            place = "spec.selector"
            yield report("IST0101", source, place, what="pod", name=written, advice=advice)
            continue
        known = {each.name: each for each in mesh.manifests.of("Secret") if each.namespace == home}
        for at, server in enumerate(source.spec.servers):
            if server.tls is None or not server.tls.credential_name:
                continue
            name = server.tls.credential_name
            place = f"spec.servers[{at}].tls.credentialName"
            if name not in known:
                what = f"Secret in {home}, the gateway's namespace, called"
                advice = near(name, known)
                yield report("IST0101", source, place, what=what, name=name, advice=advice)
            elif not _certified(known[name]):
                yield report("IST0161", source, place, secret=known[name].ref)


def _certified(secret: Object) -> bool:
    for names in _PAIRS:
        held = [_held(secret, name) for name in names]
        if all(held):
            return all(_BEGIN in each for each in held)
    return False


def _held(secret: Object, name: str) -> bytes:
    if name in secret.spec.string_data:
        text: str = secret.spec.string_data[name]
        return text.encode()
    try:
        return b64decode(secret.spec.data.get(name, ""), validate=False)
    except (binascii.Error, ValueError):
        return b""
