"""Supply the certificates that resources name, where there are such Secrets and ConfigMaps.

Names say where a certificate is: `kubernetes://NAME` in the proxy's own namespace,
`kubernetes-gateway://NAMESPACE/NAME`, `configmap://NAMESPACE/NAME`; one that ends in
`-cacert` means the authorities. All others are the proxy's agent's to supply.

Models    envoy.extensions.transport_sockets.tls.v3.Secret
Follows   istio pilot/pkg/xds/sds.go, pilot/pkg/model/credentials/resource.go
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from simulator.config.objects import Object
from simulator.envoy_api import unpack
from simulator.istiod.part import Part
from simulator.istiod.registry import Mesh, Pod

CA_SUFFIX = "-cacert"
_KINDS = {"kubernetes": "Secret", "kubernetes-gateway": "Secret", "configmap": "ConfigMap"}
_NEVER = "invalid"
_PAIRS = (("tls.crt", "tls.key"), ("cert", "key"))
_ROOTS = (("ca.crt",), ("cacert",))


def resource(credential: str) -> str:
    """Return the name of a certificate that is known by the name of its Secret."""
    return credential if "://" in credential else f"kubernetes://{credential}"


def asked_of_istiod(name: str) -> bool:
    """Say whether a proxy has a certificate only if istiod supplies it."""
    scheme, found, _ = name.partition("://")
    return bool(found) and (scheme in _KINDS or scheme == _NEVER)


def named(parts: Iterable[Part]) -> Iterator[str]:
    """Yield the certificates that listeners and clusters ask for."""
    for part in parts:
        for socket in _sockets(part.value):
            context = unpack(socket["typed_config"])
            common = getattr(context, "common_tls_context", None)
            if common is not None:
                yield from (one.name for one in common.tls_certificate_sds_secret_configs)
                root = common.combined_validation_context.validation_context_sds_secret_config
                yield from (root.name,) if root.name else ()


def secrets(mesh: Mesh, pod: Pod, names: Iterable[str]) -> Iterator[Part]:
    """Yield what is behind the names, in their order."""
    for name in sorted({each for each in names if asked_of_istiod(each)}):
        found = _secret(mesh, pod, name)
        if found is not None:
            source, value = found
            part = Part(value={"name": name, **value})
            part.note("", source, "")
            yield part


def _sockets(value: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    chains = (*value.get("filter_chains", ()), value.get("default_filter_chain") or {})
    for holder in (value, *chains, *value.get("transport_socket_matches", ())):
        if "typed_config" in holder.get("transport_socket", {}):
            yield holder["transport_socket"]


def _secret(mesh: Mesh, pod: Pod, name: str) -> tuple[Object, dict[str, Any]] | None:
    scheme, _, rest = name.partition("://")
    kind = _KINDS.get(scheme)
    if kind is None:
        return None
    namespace, _, short = rest.rpartition("/")
    place = namespace or pod.namespace
    known = {each.name: each for each in mesh.manifests.of(kind) if each.namespace == place}
    if short.endswith(CA_SUFFIX) or kind == "ConfigMap":
        # Authorities stand beside the certificate, or in an object of their own.
        for source in (known.get(short), known.get(short.removesuffix(CA_SUFFIX))):
            roots = _data(source, _ROOTS)
            if source is not None and roots is not None:
                return source, {"validation_context": {"trusted_ca": {"inline_bytes": roots[0]}}}
        return None
    source = known.get(short)
    pair = _data(source, _PAIRS)
    if source is None or pair is None:
        return None
    chain, key = ({"inline_bytes": each} for each in pair)
    return source, {"tls_certificate": {"certificate_chain": chain, "private_key": key}}


def _data(source: Object | None, forms: Iterable[tuple[str, ...]]) -> tuple[bytes, ...] | None:
    """Return the values of the first form whose names an object has."""
    if source is None:
        return None
    values = _values(source)
    for names in forms:
        if all(name in values for name in names):
            return tuple(values[name] for name in names)
    return None


def _values(source: Object) -> dict[str, bytes]:
    """Return what a Secret or a ConfigMap holds."""
    if source.kind == "ConfigMap":
        return {name: text.encode() for name, text in source.spec.data.items()}
    found = {}
    for name, text in source.spec.data.items():
        try:
            found[name] = base64.b64decode(text, validate=False)
        except binascii.Error:
            continue
    return found | {name: text.encode() for name, text in source.spec.string_data.items()}
