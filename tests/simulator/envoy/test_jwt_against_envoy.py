"""JWT authentication in the simulated proxy against the real Envoy, request by request."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.simulator.envoy.comparing import FILTERS, Case, World, check, http_filter, routes, world
from tests.simulator.envoy.real import http_listener

pytestmark = pytest.mark.envoy

NOW = int(time.time())
HOUR = 3600
SECRET = b"a secret of thirty-two bytes long, or longer: sixty-four bytes.."
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
EC384_KEY = ec.generate_private_key(ec.SECP384R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
STRANGE_KEY = ec.generate_private_key(ec.SECP256R1())


def public(algorithm: Any, key: Any, **more: str) -> dict[str, Any]:
    return {**json.loads(algorithm.to_jwk(key.public_key())), **more}


def coded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


KEYS = {
    "keys": [
        public(RSAAlgorithm, RSA_KEY, kid="rsa"),
        public(ECAlgorithm, EC_KEY, kid="ec", alg="ES256"),
        public(ECAlgorithm, EC384_KEY, kid="ec384"),
        public(OKPAlgorithm, ED_KEY, kid="ed"),
        {"kty": "oct", "kid": "oct", "k": coded(SECRET)},
        {"kty": "unheard-of", "kid": "odd"},
    ]
}
ONE_KEY = {"keys": [public(ECAlgorithm, EC_KEY)]}
CLAIMS: dict[str, Any] = {"iss": "me", "sub": "you", "aud": "us", "exp": NOW + HOUR}


def token(
    key: Any = EC_KEY, algorithm: str = "ES256", kid: str | None = "ec", **claims: Any
) -> str:
    headers = {} if kid is None else {"kid": kid}
    kept = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return jwt.api_jws.encode(json.dumps(kept).encode(), key, algorithm, headers)


def raw(header: Any, payload: Any, signature: str = "c2ln") -> str:
    return f"{coded(json.dumps(header).encode())}.{coded(json.dumps(payload).encode())}.{signature}"


def bearer(text: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {text}"),)


def jwks(keys: Any) -> dict[str, str]:
    return {"inline_string": keys if isinstance(keys, str) else json.dumps(keys)}


def provider(**more: Any) -> dict[str, Any]:
    return {"issuer": "me", "local_jwks": jwks(KEYS), **more}


PROVIDERS: dict[str, dict[str, Any]] = {
    "plain": provider(),
    "other": provider(issuer="other"),
    "anyone": provider(issuer=""),
    "forwarding": provider(forward=True),
    "audience": provider(audiences=["https://us/", "them"]),
    "one-key": provider(local_jwks=jwks(ONE_KEY)),
    "folded": provider(local_jwks=jwks(json.dumps(ONE_KEY).replace('"x": "', '"x": " \n '))),
    "header": provider(from_headers=[{"name": "X-Token"}]),
    "prefixed": provider(from_headers=[{"name": "x-token", "value_prefix": "Tok="}]),
    "param": provider(from_params=["t"]),
    "param-kept": provider(from_params=["t"], forward=True),
    "cookie": provider(from_cookies=["jar"]),
    "everywhere": provider(
        from_headers=[{"name": "x-token"}], from_params=["t"], from_cookies=["jar"]
    ),
    "payload": provider(forward_payload_header="x-payload"),
    "padded": provider(forward_payload_header="x-payload", pad_forward_payload_header=True),
    "claims": provider(
        claim_to_headers=[
            {"header_name": f"x-{name}", "claim_name": claim}
            for name, claim in [
                ("sub", "sub"),
                ("nested", "nested.deep.er"),
                ("number", "number"),
                ("float", "float"),
                ("negative", "negative"),
                ("yes", "yes"),
                ("list", "list"),
                ("object", "nested"),
                ("absent", "absent"),
            ]
        ]
    ),
    "metadata": provider(
        payload_in_metadata="p",
        header_in_metadata="h",
        normalize_payload_in_metadata={"space_delimited_claims": ["scope"]},
    ),
    "patient": provider(clock_skew_seconds=HOUR * 2),
    "subjects": provider(subjects={"prefix": "yo"}),
    "expiring": provider(require_expiration=True),
    "short-lived": provider(max_lifetime="7200s"),
}


def one(name: str) -> dict[str, Any]:
    return {"provider_name": name}


def any_of(*requirements: dict[str, Any]) -> dict[str, Any]:
    return {"requires_any": {"requirements": list(requirements)}}


def all_of(*requirements: dict[str, Any]) -> dict[str, Any]:
    return {"requires_all": {"requirements": list(requirements)}}


MISSING: dict[str, Any] = {"allow_missing": {}}
FAILED: dict[str, Any] = {"allow_missing_or_failed": {}}
REQUIREMENTS = {
    **{name: one(name) for name in PROVIDERS},
    "audiences": {"provider_and_audiences": {"provider_name": "audience", "audiences": ["own"]}},
    "any": any_of(one("plain"), one("other")),
    "any-places": any_of(one("header"), one("plain")),
    "any-places-reversed": any_of(one("plain"), one("header")),
    "any-or-missing": any_of(one("plain"), MISSING),
    "any-or-failed": any_of(one("plain"), FAILED),
    "any-both-lenient": any_of(MISSING, one("plain"), FAILED),
    "all": all_of(one("header"), one("param")),
    "missing": MISSING,
    "failed": FAILED,
    "nested": any_of(
        one("plain"),
        one("other"),
        all_of(any_of(one("plain"), MISSING), any_of(one("other"), MISSING)),
    ),
    "nested-places": any_of(
        one("header"),
        one("plain"),
        all_of(any_of(one("header"), MISSING), any_of(one("plain"), MISSING)),
    ),
    "nothing": {},
}


def required(name: str) -> dict[str, Any]:
    return {"jwt": {"@type": FILTERS + "jwt_authn.v3.PerRouteConfig", "requirement_name": name}}


def shown(*paths: str) -> dict[str, Any]:
    """Return a route that shows dynamic metadata in the response."""
    prefix = "envoy.filters.http.jwt_authn"
    return {
        "route": {"cluster": "live"},
        "response_headers_to_add": [
            {
                "header": {
                    "key": f"x-{path.replace(':', '-')}",
                    "value": f"%DYNAMIC_METADATA({prefix}:{path})%",
                }
            }
            for path in paths
        ],
    }


GOOD = token()
RICH = token(
    nested={"deep": {"er": "value"}},
    number=12,
    float=1.5,
    negative=-3,
    yes=True,
    list=["a", "b"],
    scope="read write",
)
LIMITS: list[tuple[str, dict[str, Any]]] = [
    ("expired", {"exp": NOW - HOUR}),
    ("expired-within-skew", {"exp": NOW - 30}),
    ("expired-beyond-skew", {"exp": NOW - 90}),
    ("not-yet", {"nbf": NOW + HOUR}),
    ("not-yet-within-skew", {"nbf": NOW + 30}),
    ("never-expires", {"exp": None}),
    ("issued-in-future", {"iat": NOW + HOUR}),
]
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("no-iss", {"iss": None}),
    ("other-iss", {"iss": "stranger"}),
    ("iss-number", {"iss": 1}),
    ("sub-number", {"sub": 1}),
    ("jti-number", {"jti": 1}),
    ("aud-number", {"aud": 1}),
    ("aud-mixed", {"aud": ["a", 1]}),
    ("exp-text", {"exp": "soon"}),
    ("exp-negative", {"exp": -1}),
    ("exp-huge", {"exp": 1e30}),
    ("nbf-text", {"nbf": True}),
    ("nbf-negative", {"nbf": -1}),
    ("iat-text", {"iat": "x"}),
    ("iat-negative", {"iat": -5}),
]
HEADER = coded(b'{"alg":"ES256"}')
BROKEN = [
    ("word", "word"),
    ("two-parts", "a.b"),
    ("four-parts", GOOD + ".more"),
    ("empty", ""),
    ("header-bad", "*." + GOOD.partition(".")[2]),
    ("header-no-json", f"{coded(b'no')}.{coded(b'{}')}.c2ln"),
    ("header-list", raw([], {})),
    ("no-alg", raw({}, CLAIMS)),
    ("alg-number", raw({"alg": 1}, CLAIMS)),
    ("alg-none", raw({"alg": "none"}, CLAIMS)),
    ("kid-number", raw({"alg": "ES256", "kid": 1}, CLAIMS)),
    ("payload-bad", f"{HEADER}.*.c2ln"),
    ("payload-no-json", f"{HEADER}.{coded(b'no')}.c2ln"),
    ("signature-bad", raw({"alg": "ES256"}, CLAIMS, "*")),
    ("signature-wrong", raw({"alg": "ES256", "kid": "ec"}, CLAIMS)),
    ("tampered", ".".join((GOOD.split(".")[0], coded(b'{"iss":"me"}'), GOOD.split(".")[2]))),
]
SIGNED = [
    ("rs256", token(RSA_KEY, "RS256", "rsa")),
    ("rs384", token(RSA_KEY, "RS384", "rsa")),
    ("rs512", token(RSA_KEY, "RS512", "rsa")),
    ("ps256", token(RSA_KEY, "PS256", "rsa")),
    ("ps512", token(RSA_KEY, "PS512", "rsa")),
    ("es256", GOOD),
    ("es384", token(EC384_KEY, "ES384", "ec384")),
    ("eddsa", token(ED_KEY, "EdDSA", "ed")),
    ("hs256", token(SECRET, "HS256", "oct")),
    ("hs512", token(SECRET, "HS512", "oct")),
    ("no-kid", token(RSA_KEY, "RS256", None)),
    ("wrong-kid", token(RSA_KEY, "RS256", "ec384")),
    ("unknown-kid", token(kid="unknown")),
    ("alg-of-no-key", token(EC384_KEY, "ES384", "ec")),
    ("strange-key", token(STRANGE_KEY)),
]
AUDIENCES = ["us", "https://us", "http://us/", "them", ["x", "them"], "nobody", [], None, "US"]
CASES = [
    Case("unprotected"),
    Case("nothing-required", required("nothing")),
    Case("by-rule-missing"),
    Case("by-rule", headers=bearer(GOOD)),
    Case("by-named-rule", headers=bearer(token(iss="other"))),
    Case("by-rule-with-header", headers=(("x-ask", "yes"),)),
    Case("by-rule-without-header"),
    Case("wrong-requirement", required("wrong")),
    Case(
        "switched-off",
        {"jwt": {"@type": FILTERS + "jwt_authn.v3.PerRouteConfig", "disabled": True}},
    ),
    Case("good", required("plain"), headers=bearer(GOOD)),
    Case("missing", required("plain")),
    Case("missing-long-path", required("plain"), path="/" + "x" * 300 + "?a=b"),
    Case("missing-query", required("plain"), path="/a?b=c"),
    Case("missing-grpc", required("plain"), headers=(("content-type", "application/grpc"),)),
    Case("missing-head", required("plain"), method="HEAD"),
    Case(
        "expired-grpc",
        required("plain"),
        headers=(*bearer(token(exp=NOW - HOUR)), ("content-type", "application/grpc")),
    ),
    Case(
        "preflight",
        required("plain"),
        method="OPTIONS",
        headers=(("origin", "a"), ("access-control-request-method", "GET")),
    ),
    Case("basic-auth", required("plain"), headers=(("authorization", "Basic abc"),)),
    Case("bearer-lower-case", required("plain"), headers=(("authorization", f"bearer {GOOD}"),)),
    Case("bearer-amidst", required("plain"), headers=(("authorization", f"x Bearer  {GOOD}"),)),
    Case("bearer-quoted", required("plain"), headers=(("authorization", f'Bearer "{GOOD}"'),)),
    Case("by-default-param", required("plain"), path=f"?a=1&access_token={GOOD}"),
    Case("param-twice", required("plain"), path=f"?access_token={GOOD}&access_token=x"),
    Case("two-tokens", required("plain"), path=f"?access_token={GOOD}", headers=bearer("bad")),
    Case("two-headers", required("header"), headers=(("x-token", GOOD), ("x-token", "bad"))),
    *(Case(f"time-{n}", required("plain"), headers=bearer(token(**c))) for n, c in LIMITS),
    Case("time-patient", required("patient"), headers=bearer(token(exp=NOW - HOUR))),
    *(Case(f"claim-{n}", required("plain"), headers=bearer(token(**c))) for n, c in WRONG),
    *(Case(f"broken-{n}", required("plain"), headers=bearer(t)) for n, t in BROKEN),
    *(Case(f"signed-{n}", required("plain"), headers=bearer(t)) for n, t in SIGNED),
    Case("folded", required("folded"), headers=bearer(token(kid="any"))),
    Case("one-key", required("one-key"), headers=bearer(token(kid="any"))),
    *(
        Case(f"audience-{at}", required("audience"), headers=bearer(token(aud=audience)))
        for at, audience in enumerate(AUDIENCES)
    ),
    Case("own-audience", required("audiences"), headers=bearer(token(aud="own"))),
    Case("not-own-audience", required("audiences"), headers=bearer(token(aud="them"))),
    Case("audience-after-expiry", required("audience"), headers=bearer(token(exp=1, aud="x"))),
    Case(
        "audience-before-signature",
        required("audience"),
        headers=bearer(token(STRANGE_KEY, aud="x")),
    ),
    Case("any-issuer", required("anyone"), headers=bearer(token(iss="whoever"))),
    Case("any-issuer-none", required("anyone"), headers=bearer(token(iss=None))),
    Case("forwarded", required("forwarding"), headers=bearer(GOOD)),
    Case("header", required("header"), headers=(("x-token", GOOD),)),
    Case("header-not-default", required("header"), headers=bearer(GOOD)),
    Case("prefixed", required("prefixed"), headers=(("x-token", f"Tok={GOOD}"),)),
    Case("not-prefixed", required("prefixed"), headers=(("x-token", GOOD),)),
    Case("param", required("param"), path=f"/p?b=1&t={GOOD}&a=2&b=0&c"),
    Case("param-alone", required("param"), path=f"?t={GOOD}"),
    Case("param-escaped", required("param"), path=f"?t={GOOD}&x=a%20b%2Fc+d&y=%C3%A4"),
    Case("param-kept", required("param-kept"), path=f"?b=1&t={GOOD}&a=2"),
    Case("cookie", required("cookie"), headers=(("cookie", f"a=b; jar={GOOD}"),)),
    Case("cookie-absent", required("cookie"), headers=(("cookie", "a=b"),)),
    Case(
        "everywhere",
        required("everywhere"),
        path=f"?t={GOOD}",
        headers=(("x-token", GOOD), ("cookie", f"jar={GOOD}")),
    ),
    Case(
        "everywhere-one-bad",
        required("everywhere"),
        path="?t=bad",
        headers=(("x-token", GOOD), ("cookie", f"jar={GOOD}")),
    ),
    Case("payload", required("payload"), headers=(*bearer(GOOD), ("x-payload", "forged"))),
    Case("payload-forged", required("payload"), headers=(("x-payload", "forged"),)),
    Case("padded", required("padded"), headers=bearer(token(sub="abcd"))),
    Case("claims", required("claims"), headers=(*bearer(RICH), ("x-sub", "forged"))),
    Case(
        "metadata",
        required("metadata"),
        headers=bearer(RICH),
        route=shown("p:sub", "p:scope", "h:alg", "p:number", "p:nested", "p"),
    ),
    Case("subjects", required("subjects"), headers=bearer(GOOD)),
    Case("subjects-other", required("subjects"), headers=bearer(token(sub="them"))),
    Case("expiring", required("expiring"), headers=bearer(GOOD)),
    Case("expiring-not", required("expiring"), headers=bearer(token(exp=None))),
    Case("short-lived", required("short-lived"), headers=bearer(token(iat=NOW))),
    Case("short-lived-not", required("short-lived"), headers=bearer(token(iat=NOW - 2 * HOUR))),
    Case("short-lived-since-unknown", required("short-lived"), headers=bearer(GOOD)),
    Case("short-lived-never-ends", required("short-lived"), headers=bearer(token(exp=None))),
    Case(
        "short-lived-too-long", required("short-lived"), headers=bearer(token(exp=NOW + 3 * HOUR))
    ),
    *(
        Case(
            f"{name}-{what}",
            required(name),
            headers=headers,
            path=path,
            listener="few" if name in ("missing", "failed") else "main",
        )
        for name in (
            "any",
            "any-places",
            "any-places-reversed",
            "any-or-missing",
            "any-or-failed",
            "any-both-lenient",
            "all",
            "missing",
            "failed",
            "nested",
            "nested-places",
        )
        for what, headers, path in [
            ("none", (), ""),
            ("good", bearer(GOOD), ""),
            ("other", bearer(token(iss="other")), ""),
            ("stranger", bearer(token(iss="stranger")), ""),
            ("expired", bearer(token(exp=1)), ""),
            ("expired-other", bearer(token(iss="other", exp=1)), ""),
            ("broken", bearer("broken"), ""),
            ("in-header", (("x-token", GOOD),), ""),
            ("in-both", (("x-token", GOOD), *bearer(GOOD)), ""),
            ("in-both-one-bad", (("x-token", GOOD), *bearer(token(exp=1))), ""),
            ("in-header-and-param", (("x-token", GOOD),), f"?t={GOOD}"),
            ("in-param", (), f"?t={GOOD}"),
        ]
    ),
    Case("stripped", required("plain"), listener="stripped"),
    Case("stripped-expired", required("plain"), headers=bearer(token(exp=1)), listener="stripped"),
    Case("stripped-wrong-requirement", required("wrong"), listener="stripped"),
    Case(
        "not-bypassed",
        required("plain"),
        listener="stripped",
        method="OPTIONS",
        headers=(("origin", "a"), ("access-control-request-method", "GET")),
    ),
]


def listeners() -> list[dict[str, Any]]:
    rules = [
        {
            "match": {
                "prefix": "/by-rule-with",
                "headers": [{"name": "x-ask", "present_match": True}],
            },
            "requires": one("plain"),
        },
        {"match": {"prefix": "/by-rule-with"}},
        {"match": {"prefix": "/by-named-rule"}, "requirement_name": "other"},
        {"match": {"prefix": "/by-rule"}, "requires": one("plain")},
    ]
    config: dict[str, Any] = {
        "providers": PROVIDERS,
        "rules": rules,
        "requirement_map": REQUIREMENTS,
    }
    # Of several providers of one issuer, Envoy takes any where only the issuer tells.
    few: dict[str, Any] = {
        "providers": {name: PROVIDERS[name] for name in ("plain", "other")},
        "requirement_map": {"missing": MISSING, "failed": FAILED},
    }
    return [
        http_listener(
            name, routes(CASES), [http_filter("jwt", "jwt_authn.v3.JwtAuthentication", **given)]
        )
        for name, given in [
            ("main", {**config, "bypass_cors_preflight": True}),
            ("stripped", {**config, "strip_failure_response": True}),
            ("few", few),
        ]
    ]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(CASES, listeners(), tmp_path_factory.mktemp("jwt")) as found:
        yield found


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_tokens_are_judged_as_envoy_did(compared: World, case: Case) -> None:
    check(compared, case)
