"""WasmPlugin and TrafficExtension as written: code of one's own in the proxy.

Follows   istio.io/api extensions/v1alpha1/{wasm,traffic_extension}.proto
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from simulator.config.istio.selector import PolicyTargetReference, TargetRefs, WorkloadMatcher
from simulator.config.model import Int32, PortNumber, Spec, Text, only_one, refusal, unique

_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})|[\s\x00-\x1f]")
_SCHEMES = frozenset({"http", "https", "oci", "file"})


def _loadable(url: str) -> str:
    if _BROKEN.search(url):
        raise refusal("it is no URL")
    scheme, separator, _ = url.partition("://")
    if separator and scheme not in _SCHEMES:
        raise refusal("it begins with http://, https://, oci:// or file://")
    return url


class EnvVar(Spec):
    """A variable of the plugin's machine."""

    name: Annotated[Text, Field(min_length=1, max_length=256)]
    value_from: Literal["INLINE", "HOST"] = "INLINE"
    value: Annotated[Text, Field(max_length=2048)] = ""

    @model_validator(mode="after")
    def _value_inline(self) -> EnvVar:
        if self.value_from == "HOST" and "value" in self.model_fields_set:
            raise refusal("the value comes from the host", "value")
        return self


class VmConfig(Spec):
    """The plugin's machine."""

    env: Annotated[tuple[EnvVar, ...], Field(max_length=256), unique("name")] = ()


class PluginPort(Spec):
    """A port whose traffic passes the code."""

    number: PortNumber


class TrafficSelector(Spec):
    """The traffic that passes the code."""

    mode: Literal["UNDEFINED", "CLIENT", "SERVER", "CLIENT_AND_SERVER"] = "UNDEFINED"
    ports: Annotated[tuple[PluginPort, ...], unique("number")] = ()


class WasmConfig(Spec):
    """A WebAssembly module and how it is started."""

    url: Annotated[Text, Field(min_length=1), AfterValidator(_loadable)]
    sha256: Annotated[Text, Field(pattern=r"^$|^[a-f0-9]{64}$")] = ""
    image_pull_policy: Literal["UNSPECIFIED_POLICY", "IfNotPresent", "Always"] = (
        "UNSPECIFIED_POLICY"
    )
    image_pull_secret: Annotated[Text, Field(min_length=1, max_length=253)] = ""
    verification_key: Text = ""
    plugin_config: dict[str, Any] | None = None
    plugin_name: Annotated[Text, Field(min_length=1, max_length=256)] = ""
    fail_strategy: Literal["FAIL_CLOSE", "FAIL_OPEN", "FAIL_RELOAD"] = "FAIL_CLOSE"
    vm_config: VmConfig | None = None
    type: Literal["UNSPECIFIED_PLUGIN_TYPE", "HTTP", "NETWORK"] = "UNSPECIFIED_PLUGIN_TYPE"


class WasmPlugin(WasmConfig):
    """A WebAssembly module in the proxies of some workloads."""

    selector: WorkloadMatcher | None = None
    target_ref: PolicyTargetReference | None = None
    target_refs: TargetRefs = ()
    phase: Literal["UNSPECIFIED_PHASE", "AUTHN", "AUTHZ", "STATS"] = "UNSPECIFIED_PHASE"
    priority: Int32 | None = None
    match: tuple[TrafficSelector, ...] = ()

    target = only_one("selector", "target_ref", "target_refs")


class LuaConfig(Spec):
    """A Lua script."""

    inline_code: Annotated[Text, Field(min_length=1, max_length=65536)]


class TrafficExtension(Spec):
    """A module or a script in the proxies of some workloads."""

    selector: WorkloadMatcher | None = None
    target_refs: TargetRefs = ()
    phase: Literal["UNSPECIFIED", "AUTHN", "AUTHZ", "STATS"] = "UNSPECIFIED"
    priority: Int32 | None = None
    match: tuple[TrafficSelector, ...] = ()
    wasm: WasmConfig | None = None
    lua: LuaConfig | None = None

    target = only_one("selector", "target_refs")

    @model_validator(mode="after")
    def _just_one(self) -> TrafficExtension:
        if (self.wasm is None) == (self.lua is None):
            raise refusal("just one of `wasm` and `lua` is set")
        return self
