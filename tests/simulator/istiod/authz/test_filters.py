"""What AuthorizationPolicies become."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.envoy_api import format as as_json
from simulator.envoy_api import unpack
from simulator.istiod.authz.filters import custom_filters, filters
from simulator.istiod.scope import Scope, scope
from tests.simulator.istiod.meshes import shop


def policy(spec: str, *, name: str = "p", namespace: str = "default", extra: str = "") -> str:
    """Return a policy whose spec stands on one line."""
    return (
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
        f"metadata: {{name: {name}, namespace: {namespace}{extra}}}\nspec: {spec}\n"
    )


def seen(*texts: str, pod: str = "ratings-v1.default") -> Scope:
    mesh = shop(*texts)
    return scope(mesh, mesh.pod(pod))


def config(filter_: dict[str, Any]) -> dict[str, Any]:
    return as_json(unpack(filter_["typed_config"]))


def only_policy(view: Scope, *, tcp: bool = False) -> dict[str, Any] | None:
    """Return the one policy of the one filter; None if it has none."""
    (found,) = filters(view, tcp=tcp)
    policies = config(found)["rules"].get("policies", {})
    return next(iter(policies.values()), None)


def test_without_policies_there_is_no_filter() -> None:
    assert filters(seen(), tcp=False) == []


def test_each_action_has_a_filter_and_denial_comes_before_consent() -> None:
    texts = [
        policy(f"{{action: {action}, rules: [{{}}]}}", name=action.lower())
        for action in ("ALLOW", "AUDIT", "DENY")
    ]
    actions = [
        config(each)["rules"].get("action", "ALLOW") for each in filters(seen(*texts), tcp=False)
    ]

    assert actions == ["LOG", "DENY", "ALLOW"]


def test_an_empty_policy_matches_nothing() -> None:
    found = only_policy(seen(policy("{}")))

    assert found == {
        "permissions": [{"not_rule": {"any": True}}],
        "principals": [{"not_id": {"any": True}}],
    }


def test_an_empty_rule_matches_everything() -> None:
    found = only_policy(seen(policy("{rules: [{}]}")))

    assert found == {
        "permissions": [{"and_rules": {"rules": [{"any": True}]}}],
        "principals": [{"and_ids": {"ids": [{"any": True}]}}],
    }


@pytest.mark.parametrize(
    ("spec", "namespace", "pod", "holds"),
    [
        ("{}", "default", "ratings-v1.default", True),
        ("{}", "istio-system", "ratings-v1.default", True),
        ("{}", "other", "ratings-v1.default", False),
        ("{selector: {matchLabels: {app: ratings}}}", "default", "ratings-v1.default", True),
        ("{selector: {matchLabels: {app: ratings}}}", "istio-system", "ratings-v1.default", True),
        ("{selector: {matchLabels: {app: details}}}", "default", "ratings-v1.default", False),
        (
            "{targetRefs: [{kind: Service, group: '', name: ratings}]}",
            "default",
            "ratings-v1.default",
            False,
        ),
    ],
    ids=[
        "its own namespace",
        "the root namespace",
        "another namespace",
        "labels in its namespace",
        "labels in the root namespace",
        "other labels",
        "a target that only a waypoint has",
    ],
)
def test_which_policies_hold(spec: str, namespace: str, pod: str, holds: bool) -> None:
    view = seen(policy(spec, namespace=namespace), pod=pod)

    assert bool(filters(view, tcp=False)) == holds


def test_a_dry_run_judges_in_the_shadow() -> None:
    extra = ", annotations: {istio.io/dry-run: 'true'}"
    (found,) = filters(seen(policy("{action: DENY, rules: [{}]}", extra=extra)), tcp=False)
    written = config(found)

    assert "rules" not in written
    assert written["shadow_rules"]["action"] == "DENY"
    assert written["shadow_rules_stat_prefix"] == "istio_dry_run_deny_"


HTTP_AND_PORT = "rules: [{to: [{operation: {methods: [GET], ports: ['80']}}]}]"


def test_without_http_a_denial_asks_less() -> None:
    found = only_policy(seen(policy(f"{{action: DENY, {HTTP_AND_PORT}}}")), tcp=True)

    assert found is not None
    assert found["permissions"] == [
        {"and_rules": {"rules": [{"or_rules": {"rules": [{"destination_port": 80}]}}]}}
    ]


def test_without_http_consent_that_asks_for_http_is_void() -> None:
    assert only_policy(seen(policy(f"{{{HTTP_AND_PORT}}}")), tcp=True) is None


PROVIDER = """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    extensionProviders:
      - name: gate
        envoyExtAuthzHttp: {service: default/details.default.svc.cluster.local, port: 9080}
"""
ASKED = "{action: CUSTOM, provider: {name: gate}, rules: [{}]}"


def test_an_authorizer_is_asked_where_the_shadow_matches() -> None:
    rbac, asking = custom_filters(seen(PROVIDER, policy(ASKED)), tcp=False)

    assert list(config(rbac)["shadow_rules"]["policies"]) == [
        "istio-ext-authz-gate-ns[default]-policy[p]-rule[0]"
    ]
    assert config(asking)["http_service"]["server_uri"]["cluster"] == (
        "outbound|9080||details.default.svc.cluster.local"
    )


def test_an_authorizer_over_http_is_not_asked_about_tcp() -> None:
    assert custom_filters(seen(PROVIDER, policy(ASKED)), tcp=True) == []


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([policy(ASKED)], id="no such provider"),
        pytest.param([PROVIDER.replace("details", "nobody"), policy(ASKED)], id="no such service"),
        pytest.param(
            [PROVIDER, policy(ASKED), policy(ASKED.replace("gate", "door"), name="q")],
            id="two providers for one workload",
        ),
    ],
)
def test_who_cannot_be_asked_denies(texts: list[str]) -> None:
    found = custom_filters(seen(*texts), tcp=False)

    assert found
    for each in found:
        rules = config(each)["rules"]
        assert rules["action"] == "DENY"
        assert all(name.endswith("bad-CUSTOM-action") for name in rules["policies"])
