"""Look up what Gateway API objects refer to, and whether they may.

Follows   istio pilot/pkg/config/kube/gatewaycommon/references.go
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from simulator.config.gateway_api import GROUP, ReferenceGrant
from simulator.config.gateway_api.values import LabelSelector
from simulator.config.objects import Manifests, Object
from simulator.istiod.gateway_api.classes import Controller, controllers
from simulator.istiod.service import Service

_NAME_LABEL = "kubernetes.io/metadata.name"
_BLOCK = re.compile(
    r"-----BEGIN ([A-Z ]+)-----\s*([A-Za-z0-9+/=\s]+?)\s*-----END \1-----", re.ASCII
)
_DER_SEQUENCE = 0x30


@dataclass(frozen=True, kw_only=True)
class World:
    """All that a reference can mean."""

    manifests: Manifests
    services: Mapping[str, Service]
    """By host."""

    @cached_property
    def controllers(self) -> Mapping[str, Controller]:
        """Return istiod's controllers by class."""
        return controllers(self.manifests)

    @cached_property
    def namespaces(self) -> Mapping[str, Mapping[str, str]]:
        """Return the labels of every namespace, by name."""
        labels: dict[str, dict[str, str]] = {}
        for each in self.manifests.objects:
            if each.namespace:
                labels.setdefault(each.namespace, {_NAME_LABEL: each.namespace})
        for each in self.manifests.of("Namespace"):
            labels[each.name] = {**each.labels, _NAME_LABEL: each.name}
        return {name: labels[name] for name in sorted(labels)}

    def named(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return the object of that kind and name."""
        return self._named.get((kind, namespace, name))

    @cached_property
    def _named(self) -> Mapping[tuple[str, str, str], Object]:
        return {(each.type, each.namespace, each.name): each for each in self.manifests.objects}

    def granted(
        self, kind: str, namespace: str, to_kind: str, to_namespace: str, name: str
    ) -> bool:
        """Say whether objects of a kind and namespace may refer to something in another."""
        if namespace == to_namespace:
            return True
        grants = (
            each.spec
            for each in self.manifests.of("ReferenceGrant")
            if each.namespace == to_namespace
        )
        return any(_grants(each, kind, namespace, to_kind, name) for each in grants)


def _grants(grant: ReferenceGrant, kind: str, namespace: str, to_kind: str, name: str) -> bool:
    wanted = (GROUP, kind, namespace)
    if wanted not in [(each.group, each.kind, each.namespace) for each in grant.from_]:
        return False
    return any(
        not each.group and each.kind == to_kind and each.name in {None, name} for each in grant.to
    )


def selected(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Say whether labels are what a selector asks for; an empty one takes all."""
    if any(labels.get(name) != value for name, value in selector.match_labels.items()):
        return False
    for each in selector.match_expressions:
        value = labels.get(each.key)
        holds = {
            "In": value in each.values,
            "NotIn": value not in each.values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not holds[each.operator]:
            return False
    return True


def key_pair(secret: Object) -> bool:
    """Say whether a Secret has a certificate and its key."""
    return _pem(_secret(secret, "tls.crt", "cert"), "CERTIFICATE") and _pem(
        _secret(secret, "tls.key", "key"), "PRIVATE KEY"
    )


def authorities(source: Object) -> bool:
    """Say whether a ConfigMap or Secret has certificates of authorities."""
    if source.kind == "ConfigMap":
        return _pem(source.spec.data.get("ca.crt", ""), "CERTIFICATE")
    return _pem(_secret(source, "ca.crt", "cacert"), "CERTIFICATE")


def _secret(source: Object, *names: str) -> str:
    """Return the first value that a Secret has of these names; empty for none."""
    for name in names:
        if name in source.spec.string_data:
            return str(source.spec.string_data[name])
        if name in source.spec.data:
            try:
                return base64.b64decode(source.spec.data[name]).decode("ascii", "replace")
            except binascii.Error:
                return ""
    return ""


def _pem(text: str, kind: str) -> bool:
    blocks = [body for label, body in _BLOCK.findall(text) if label.endswith(kind)]
    return bool(blocks) and all(_der(each) for each in blocks)


def _der(body: str) -> bool:
    try:
        decoded = base64.b64decode("".join(body.split()), validate=True)
    except binascii.Error:
        return False
    return decoded[:1] == bytes([_DER_SEQUENCE])
