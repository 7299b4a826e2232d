"""Compile which protocols requests may ask to change to.

Models    HttpConnectionManager.UpgradeConfig, RouteAction.UpgradeConfig
Follows   envoy/source/extensions/filters/network/http_connection_manager/config.cc,
          source/common/router/config_impl.cc
Leaves    filters of their own, CONNECT that is ended here (docs/fidelity.md#upgrades)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from simulator.envoy.rejected import Scope
from simulator.envoy.upgrade import Upgrades


def manager_upgrades(configs: Iterable[Any], scope: Scope) -> Upgrades:
    """Compile an HTTP connection manager's `upgrade_configs`."""
    found: dict[str, bool] = {}
    for at, one in enumerate(configs):
        inner = scope.at("upgrade_configs", at)
        inner.only(one, "upgrade_type enabled")
        if one.upgrade_type.lower() in found:
            raise inner.reject(
                f"Error: multiple upgrade configs with the same name: '{one.upgrade_type}'"
            )
        found[one.upgrade_type.lower()] = _enabled(one)
    return found


def route_upgrades(configs: Iterable[Any], scope: Scope) -> Upgrades:
    """Compile a route's `upgrade_configs`."""
    found: dict[str, bool] = {}
    for at, one in enumerate(configs):
        inner = scope.at("upgrade_configs", at)
        inner.only(one, "upgrade_type enabled")
        name = one.upgrade_type.lower()
        if name in found:
            raise inner.reject(f"Duplicate upgrade {one.upgrade_type}")
        if one.HasField("connect_config") and name != "connect":
            raise inner.reject(f"Non-CONNECT upgrade type {one.upgrade_type} has ConnectConfig")
        found[name] = _enabled(one)
    return found


def _enabled(config: Any) -> bool:  # noqa: ANN401 - protobuf
    return not config.HasField("enabled") or bool(config.enabled.value)
