"""The RequestAuthentication as written: which tokens a workload accepts.

Follows   istio.io/api security/v1beta1/request_authentication.proto
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, Field

from simulator.config.istio.selector import PolicyTargetReference, TargetRefs, WorkloadMatcher
from simulator.config.model import Bool, LastingDuration, Spec, Text, only_one, refusal

_Filled = Annotated[Text, Field(min_length=1)]


def _web(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise refusal("it begins with http:// or https://")
    return url


class JWTHeader(Spec):
    """A header that holds a token, perhaps after a prefix."""

    name: _Filled
    prefix: Text = ""


class ClaimToHeader(Spec):
    """A claim that is passed on as a header."""

    header: Annotated[Text, Field(min_length=1, pattern=r"^[-_A-Za-z0-9]+$")]
    claim: _Filled


class JWTRule(Spec):
    """Tokens of one issuer."""

    issuer: Annotated[Text, Field(min_length=1)] = ""
    audiences: tuple[_Filled, ...] = ()
    jwks_uri: Annotated[Text, Field(min_length=1, max_length=2048), AfterValidator(_web)] = Field(
        "", validation_alias=AliasChoices("jwksUri", "jwks_uri")
    )
    jwks: Text = ""
    from_headers: tuple[JWTHeader, ...] = ()
    from_params: tuple[_Filled, ...] = ()
    from_cookies: tuple[_Filled, ...] = ()
    output_payload_to_header: Text = ""
    output_claim_to_headers: tuple[ClaimToHeader, ...] = ()
    forward_original_token: Bool = False
    space_delimited_claims: Annotated[tuple[_Filled, ...], Field(max_length=64)] = ()
    presence: Literal["OPTIONAL", "REQUIRED"] = "OPTIONAL"
    timeout_ns: LastingDuration | None = None

    keys = only_one("jwks_uri", "jwks")


class RequestAuthentication(Spec):
    """The tokens that are checked where requests carry them."""

    selector: WorkloadMatcher | None = None
    target_ref: PolicyTargetReference | None = None
    target_refs: TargetRefs = ()
    jwt_rules: Annotated[tuple[JWTRule, ...], Field(max_length=4096)] = ()

    target = only_one("selector", "target_ref", "target_refs")
