"""RBAC in the simulated proxy against the real Envoy, request by request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simulator.envoy.cel_parse import (
    Call,
    Const,
    Elements,
    Expr,
    Ident,
    Select,
    parse,
)
from simulator.envoy.tls import Certificate
from tests.simulator.envoy.certificates import authority, client_context, issue, server_context
from tests.simulator.envoy.comparing import FILTERS, Case, World, check, http_filter, routes, world
from tests.simulator.envoy.real import http_listener

pytestmark = pytest.mark.envoy

ANY: dict[str, Any] = {"any": True}
NOBODY = {"not_id": ANY}


def cidr(address: str, length: int) -> dict[str, Any]:
    return {"address_prefix": address, "prefix_len": length}


def policy(*permissions: dict[str, Any], by: tuple[dict[str, Any], ...] = (ANY,)) -> dict[str, Any]:
    return {"permissions": list(permissions) or [ANY], "principals": list(by)}


def rules(action: str, **policies: dict[str, Any]) -> dict[str, Any]:
    return {"action": action, "policies": policies}


def rbac(**config: Any) -> dict[str, Any]:
    return {"rbac": {"@type": FILTERS + "rbac.v3.RBACPerRoute", "rbac": config}}


def may(permission: Any) -> dict[str, Any]:
    """Return rules under which a request with this permission alone may pass."""
    return rbac(rules=rules("ALLOW", p=policy(permission)))


def those(principal: dict[str, Any]) -> dict[str, Any]:
    """Return rules under which those of this principal alone may pass."""
    return rbac(rules=rules("ALLOW", p=policy(by=(principal,))))


def named(kind: str, value: str) -> dict[str, Any]:
    return {"authenticated": {"principal_name": {kind: value}}}


def tree(found: Expr) -> dict[str, Any]:
    """Return an expression's tree in the JSON form that Envoy reads."""
    match found:
        case Const(bool(value)):
            return {"const_expr": {"bool_value": value}}
        case Const(int(value)):
            return {"const_expr": {"int64_value": value}}
        case Const(value):
            return {"const_expr": {"string_value": value}}
        case Ident(name):
            return {"ident_expr": {"name": name}}
        case Select(operand, name, test):
            chosen = {"operand": tree(operand), "field": name, "test_only": test}
            return {"select_expr": chosen}
        case Call(function, arguments, target):
            called: dict[str, Any] = {"function": function, "args": [tree(a) for a in arguments]}
            if target is not None:
                called["target"] = tree(target)
            return {"call_expr": called}
        case Elements(items):
            return {"list_expr": {"elements": [tree(one) for one in items]}}
    raise AssertionError(found)


def when(text: str, action: str = "ALLOW") -> dict[str, Any]:
    """Return rules with a policy for everybody, as long as a condition holds."""
    return rbac(rules=rules(action, p={**policy(), "condition": tree(parse(text))}))


OFF = {
    "rbac": {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}
}
METADATA = {"filter": "envoy.filters.http.rbac", "path": [{"key": "shadow_engine_result"}]}
KEYS = ("shadow_engine_result", "dry_shadow_engine_result", "shadow_effective_policy_id")
SHOWN = {
    "route": {"cluster": "live"},
    "response_headers_to_add": [
        {
            "header": {
                "key": f"x-{key}",
                "value": f"%DYNAMIC_METADATA(envoy.filters.http.rbac:{key})%",
            }
        }
        for key in KEYS
    ],
}
SHADOWS: list[tuple[str, dict[str, Any]]] = [
    ("denied", {"shadow_rules": rules("DENY", p=policy())}),
    ("allowed", {"shadow_rules": rules("ALLOW", p=policy())}),
    ("none", {"shadow_rules": rules("ALLOW", p=policy(by=(NOBODY,)))}),
    (
        "prefixed",
        {
            "shadow_rules": rules("DENY", p=policy()),
            "shadow_rules_stat_prefix": "dry_",
        },
    ),
    (
        "and-enforced",
        {
            "shadow_rules": rules("DENY", p=policy()),
            "rules": rules(
                "DENY",
                q=policy(
                    {
                        "metadata": {
                            **METADATA,
                            "value": {"string_match": {"exact": "denied"}},
                        }
                    }
                ),
            ),
        },
    ),
    (
        "and-other-metadata",
        {
            "shadow_rules": rules("DENY", p=policy()),
            "rules": rules(
                "DENY",
                q=policy(
                    by=(
                        {
                            "metadata": {
                                **METADATA,
                                "value": {"string_match": {"exact": "allowed"}},
                            }
                        },
                    )
                ),
            ),
        },
    ),
]
CONDITIONS = (
    "request.headers['x-a'] == 'b'",
    "request.headers['x-a'] == 'c'",
    "request.headers['x-none'] == 'b'",
    "request.headers['x-none'] == 'b' || true",
    "!has(request.headers.none)",
    "'x-a' in request.headers",
    "request.url_path.startsWith('/condition') && request.method in ['GET', 'HEAD']",
    "request.path.matches('[0-9]-')",
    "size(request.host) == 4",
    "connection.mtls",
    "source.address.startsWith('127.0.0.1:')",
    "request.method",
    "response.code == 200",
)
CASES = [
    *(
        Case(f"condition-{at}-{action}", when(text, action), headers=(("x-a", "b"),))
        for at, text in enumerate(CONDITIONS)
        for action in ("ALLOW", "DENY")
    ),
    Case("no-rules", rbac()),
    Case("allow-any", may(ANY)),
    Case("allow-nothing", rbac(rules={"action": "ALLOW"})),
    Case("deny-nothing", rbac(rules={"action": "DENY"})),
    Case("deny-any", rbac(rules=rules("DENY", everything=policy()))),
    Case("log-any", rbac(rules=rules("LOG", everything=policy()))),
    Case("log-nobody", rbac(rules=rules("LOG", nobody=policy(by=(NOBODY,))))),
    Case("first-by-name", rbac(rules=rules("DENY", b=policy(), a=policy()))),
    Case("name-with-blanks", rbac(rules={"action": "DENY", "policies": {"a b\tc": policy()}})),
    Case(
        "grpc-client",
        rbac(rules=rules("DENY", p=policy())),
        headers=(("content-type", "application/grpc"),),
    ),
    Case("head", rbac(rules=rules("DENY", p=policy())), method="HEAD"),
    Case("the-filters-own"),
    Case("the-filters-own-switched-off", OFF),
    *(
        Case(f"header-{name}", may({"header": matcher}), headers=headers)
        for name, matcher, headers in [
            ("exact", {"name": "x-who", "string_match": {"exact": "me"}}, (("x-who", "me"),)),
            ("other", {"name": "x-who", "string_match": {"exact": "me"}}, (("x-who", "you"),)),
            ("absent", {"name": "x-who", "string_match": {"exact": "me"}}, ()),
            ("present", {"name": "x-who", "present_match": True}, (("x-who", ""),)),
            (
                "twice",
                {"name": "x-who", "string_match": {"exact": "me"}},
                (("x-who", "you"), ("x-who", "me")),
            ),
            ("method", {"name": ":method", "string_match": {"exact": "GET"}}, ()),
            ("host", {"name": ":authority", "string_match": {"exact": "test"}}, ()),
            (
                "inverted-absent",
                {"name": "x-who", "string_match": {"exact": "me"}, "invert_match": True},
                (),
            ),
        ]
    ),
    *(
        Case(f"path-{name}", may({"url_path": {"path": matcher}}), path=path)
        for name, matcher, path in [
            ("exact", {"exact": "/path-exact/a"}, "/a"),
            ("query", {"exact": "/path-query/a"}, "/a?b=c"),
            ("prefix", {"prefix": "/path-prefix/a"}, "/ab"),
            ("suffix", {"suffix": "/z"}, "/y/z?q=/y"),
            ("case", {"exact": "/PATH-CASE/A", "ignore_case": True}, "/a"),
            ("regex", {"safe_regex": {"regex": "/path-regex/[0-9]+"}}, "/12"),
            ("regex-part", {"safe_regex": {"regex": "/path-regex-part/[0-9]"}}, "/12"),
            ("other", {"exact": "/elsewhere"}, "/a"),
        ]
    ),
    *(
        Case(
            f"template-{name}",
            may(
                {
                    "uri_template": {
                        "name": "t",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.path.match."
                            "uri_template.v3.UriTemplateMatchConfig",
                            "path_template": f"/template-{name}/{template}",
                        },
                    }
                }
            ),
            path=path,
        )
        for name, template, path in [
            ("one", "*/x", "/a/x"),
            ("one-only", "*/x", "/a/b/x"),
            ("rest", "**", "/a/b?c=d"),
        ]
    ),
    *(
        Case(f"address-{name}", may({"destination_ip": cidr(*network)}))
        for name, network in [("in", ("127.0.0.0", 8)), ("out", ("10.0.0.0", 8))]
    ),
    *(
        Case(f"port-{name}", may(permission))
        for name, permission in [
            ("other", {"destination_port": 1}),
            ("range", {"destination_port_range": {"start": 1024, "end": 65536}}),
            ("below", {"destination_port_range": {"start": 0, "end": 1024}}),
        ]
    ),
    Case("server-name-plain", may({"requested_server_name": {"exact": "test"}})),
    Case("server-name-empty", may({"requested_server_name": {"exact": ""}})),
    Case("and", may({"and_rules": {"rules": [ANY, {"destination_port": 1}]}})),
    Case("or", may({"or_rules": {"rules": [{"destination_port": 1}, ANY]}})),
    Case("not", may({"not_rule": {"destination_port": 1}})),
    *(
        Case(f"{side}-{name}", those({side: cidr(*network)}), headers=headers)
        for side in ("source_ip", "direct_remote_ip", "remote_ip")
        for name, network, headers in [
            ("in", ("127.0.0.1", 32), ()),
            ("out", ("10.0.0.0", 8), ()),
            ("forwarded", ("10.0.0.0", 8), (("x-forwarded-for", "10.1.2.3"),)),
            ("forwarded-twice", ("10.0.0.0", 8), (("x-forwarded-for", "10.1.2.3, 11.1.1.1"),)),
            ("forwarded-last", ("11.0.0.0", 8), (("x-forwarded-for", "10.1.2.3,11.1.1.1"),)),
            ("forwarded-other", ("127.0.0.0", 8), (("x-forwarded-for", "10.1.2.3"),)),
            ("forwarded-bad", ("127.0.0.0", 8), (("x-forwarded-for", "unknown"),)),
        ]
    ),
    Case(
        "principals",
        rbac(rules=rules("ALLOW", p=policy(by=(NOBODY, {"source_ip": cidr("127.0.0.1", 32)})))),
    ),
    Case("and-ids", those({"and_ids": {"ids": [ANY, NOBODY]}})),
    Case("or-ids", those({"or_ids": {"ids": [ANY, NOBODY]}})),
    Case("principal-path", those({"url_path": {"path": {"exact": "/principal-path"}}})),
    Case("principal-header", those({"header": {"name": "x-a", "present_match": True}})),
    Case("authenticated-plain", those({"authenticated": {}})),
    *(
        Case(
            f"tls-{name}",
            those(principal),
            listener="tls",
            client=client,
            sni=sni,
            headers=(("x-forwarded-client-cert", "By=before"),) if name == "dns" else (),
        )
        for name, principal, client, sni in [
            ("anyone", {"authenticated": {}}, "sleep", "test"),
            ("nobody", {"authenticated": {}}, "stranger", "test"),
            ("uri", named("exact", "spiffe://td/ns/a/sa/sleep"), "sleep", "test"),
            ("uri-prefix", named("prefix", "spiffe://td/ns/a/"), "sleep", "test"),
            ("second-uri", named("suffix", "/second"), "several", "test"),
            ("dns", named("exact", "several.example"), "several", "test"),
            ("subject", named("exact", "CN=named"), "named", "test"),
            ("subject-besides", named("exact", "CN=several"), "several", "test"),
            ("other", named("exact", "spiffe://td/ns/b/sa/sleep"), "sleep", "test"),
            ("no-name", named("exact", ""), "stranger", "test"),
            ("not-other", {"not_id": named("prefix", "spiffe://")}, "stranger", "test"),
        ]
    ),
    *(
        Case(
            f"server-name-{name}",
            may({"requested_server_name": {"exact": "a.example"}}),
            listener="tls",
            client="sleep",
            sni=sni,
        )
        for name, sni in [("right", "a.example"), ("wrong", "b.example")]
    ),
    *(Case(f"shadow-{name}", rbac(**config), route=SHOWN) for name, config in SHADOWS),
]
CLIENTS = {
    "sleep": Certificate(uri_sans=("spiffe://td/ns/a/sa/sleep",)),
    "several": Certificate(
        uri_sans=("spiffe://td/first", "spiffe://td/second"),
        dns_sans=("several.example",),
        subject="CN=several",
    ),
    "named": Certificate(subject="CN=named"),
}


def end_tls(listener: dict[str, Any], server: dict[str, Any]) -> None:
    """Let a listener end TLS."""
    listener["filter_chains"][0]["transport_socket"] = server
    listener["listener_filters"] = [
        {
            "name": "tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.listener."
                "tls_inspector.v3.TlsInspector"
            },
        }
    ]


@contextmanager
def secured(
    cases: Sequence[Case],
    listeners: Callable[[dict[str, Any]], list[dict[str, Any]]],
    folder: Path,
) -> Iterator[World]:
    """Run the cases as `CLIENTS`, and as a stranger; `listeners` get the server's TLS."""
    trusted = authority()
    pairs = {name: issue(trusted, certificate) for name, certificate in CLIENTS.items()}
    contexts = {name: client_context(pair, folder) for name, pair in pairs.items()}
    contexts["stranger"] = client_context(None, folder)
    shown = {
        name: replace(certificate, digest=pairs[name].digest)
        for name, certificate in CLIENTS.items()
    }
    with world(
        cases,
        listeners(server_context(trusted)),
        folder,
        certificates=shown,
        contexts=contexts,
    ) as found:
        yield found


def listeners(server: dict[str, Any]) -> list[dict[str, Any]]:
    own = rules("DENY", own=policy({"url_path": {"path": {"prefix": "/the-filters-own"}}}))
    table = routes(CASES)
    main, tls = (
        http_listener(name, table, [http_filter("rbac", "rbac.v3.RBAC", rules=own)])
        for name in ("main", "tls")
    )
    end_tls(tls, server)
    tls["filter_chains"][0]["filters"][0]["typed_config"] |= {
        "forward_client_cert_details": "APPEND_FORWARD",
        "set_current_client_cert_details": {"subject": True, "uri": True, "dns": True},
    }
    return [main, tls]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with secured(CASES, listeners, tmp_path_factory.mktemp("rbac")) as found:
        yield found


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_rbac_decides_as_envoy_did(compared: World, case: Case) -> None:
    check(compared, case)
