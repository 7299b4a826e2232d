"""The AuthorizationPolicy as written: who may do what.

Follows   istio.io/api security/v1beta1/authorization_policy.proto
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.config.istio.selector import PolicyTargetReference, TargetRefs, WorkloadMatcher
from simulator.config.model import Spec, Text, only_one, refusal

_Accounts = Annotated[tuple[Annotated[Text, Field(max_length=320)], ...], Field(max_length=16)]


class Source(Spec):
    """Who sends; all that is written must hold."""

    principals: tuple[Text, ...] = ()
    not_principals: tuple[Text, ...] = ()
    request_principals: tuple[Text, ...] = ()
    not_request_principals: tuple[Text, ...] = ()
    namespaces: tuple[Text, ...] = ()
    not_namespaces: tuple[Text, ...] = ()
    service_accounts: _Accounts = ()
    not_service_accounts: _Accounts = ()
    trust_domains: tuple[Text, ...] = ()
    not_trust_domains: tuple[Text, ...] = ()
    ip_blocks: tuple[Text, ...] = ()
    not_ip_blocks: tuple[Text, ...] = ()
    remote_ip_blocks: tuple[Text, ...] = ()
    not_remote_ip_blocks: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _one_way_to_name(self) -> Source:
        accounts = {"service_accounts", "not_service_accounts"}
        others = {"principals", "not_principals", "namespaces", "not_namespaces"}
        if accounts & self.model_fields_set and others & self.model_fields_set:
            raise refusal("service accounts do not go with principals or namespaces")
        return self


class Operation(Spec):
    """What is asked for; all that is written must hold."""

    hosts: tuple[Text, ...] = ()
    not_hosts: tuple[Text, ...] = ()
    ports: tuple[Text, ...] = ()
    not_ports: tuple[Text, ...] = ()
    methods: tuple[Text, ...] = ()
    not_methods: tuple[Text, ...] = ()
    paths: tuple[Text, ...] = ()
    not_paths: tuple[Text, ...] = ()


class From(Spec):
    """One of a rule's senders."""

    source: Source | None = None


class To(Spec):
    """One of a rule's operations."""

    operation: Operation | None = None


class Condition(Spec):
    """A condition on an attribute of a request."""

    key: Text
    values: tuple[Text, ...] = ()
    not_values: tuple[Text, ...] = ()


class Rule(Spec):
    """Requests from one of the senders, to one of the operations, under all conditions."""

    from_: Annotated[tuple[From, ...], Field(max_length=512)] = ()
    to: tuple[To, ...] = ()
    when: tuple[Condition, ...] = ()


class ExtensionProvider(Spec):
    """The provider that a CUSTOM policy asks, by its name in the mesh's configuration."""

    name: Text = ""


class AuthorizationPolicy(Spec):
    """What is done with the requests that one of the rules matches."""

    selector: WorkloadMatcher | None = None
    target_ref: PolicyTargetReference | None = None
    target_refs: TargetRefs = ()
    rules: Annotated[tuple[Rule, ...], Field(max_length=512)] = ()
    action: Literal["ALLOW", "DENY", "AUDIT", "CUSTOM"] = "ALLOW"
    provider: ExtensionProvider | None = None

    target = only_one("selector", "target_ref", "target_refs")
