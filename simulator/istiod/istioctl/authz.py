"""Which policies authorize what a proxy receives, as `istioctl experimental authz check` says.

Follows   istio istioctl/pkg/authz/listener.go
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from simulator.envoy_api import message, unpack
from simulator.istiod.istioctl.table import Table

_HTTP = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_RBAC = (
    "envoy.extensions.filters.http.rbac.v3.RBAC",
    "envoy.extensions.filters.network.rbac.v3.RBAC",
)
_NAME = re.compile(r"ns\[(?P<namespace>.+)\]-policy\[(?P<name>.+)\]-rule\[(?P<rule>.+)\]")
NOTHING = "_anonymous_match_nothing_"
"""What stands in place of a policy without a rule that could match."""
_ORDER = ("DENY", "ALLOW", "LOG")


def table(listeners: Iterable[Any]) -> Table:
    """Return a row for each action and policy, with how many of its rules are in force."""
    rules: dict[str, dict[str, set[str]]] = {action: {} for action in _ORDER}
    actions = message("envoy.config.rbac.v3.RBAC").DESCRIPTOR.fields_by_name["action"].enum_type
    for config in _filters(listeners):
        action = actions.values_by_number[config.rules.action].name
        for name in config.rules.policies or (NOTHING,):
            found = _NAME.search(name)
            policy = f"{found['name']}.{found['namespace']}" if found else name
            rules[action].setdefault(policy, set()).add(found["rule"] if found else "0")
    rows = tuple(
        (action, policy, str(len(of_action[policy])))
        for action, of_action in rules.items()
        for policy in sorted(of_action)
    )
    return Table(columns=("ACTION", "AuthorizationPolicy", "RULES"), rows=rows)


def _filters(listeners: Iterable[Any]) -> Iterator[Any]:
    for listener in listeners:
        for chain in listener.filter_chains:
            for each in chain.filters:
                yield from _inside(each.typed_config)


def _inside(config: Any) -> Iterator[Any]:  # noqa: ANN401 - made at run time
    kind = config.type_url.rpartition("/")[2]
    if kind in _RBAC:
        yield unpack(config)
    elif kind == _HTTP:
        for each in unpack(config).http_filters:
            yield from _inside(each.typed_config)
