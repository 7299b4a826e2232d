"""The ProxyConfig as written: how some workloads' proxies are started.

Follows   istio.io/api networking/v1beta1/proxy_config.proto
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict

from simulator.config.istio.selector import WorkloadMatcher
from simulator.config.model import Spec, Text


class ProxyImage(Spec):
    """The proxy's image."""

    image_type: Text = ""


class ProxyConfig(Spec):
    """Settings of a proxy's start."""

    selector: WorkloadMatcher | None = None
    concurrency: Annotated[int, Strict(), Field(ge=0, lt=1 << 31)] | None = None
    environment_variables: dict[str, Annotated[Text, Field(max_length=2048)]] = Field(
        default_factory=dict
    )
    image: ProxyImage | None = None
