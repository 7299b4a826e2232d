"""Note down a text under a key of the stream's filter state.

Models    envoy.extensions.filters.http.set_filter_state.v3.Config
Follows   envoy/source/extensions/filters/http/set_filter_state
Leaves    formats other than plain text and the metadata of the cluster
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from simulator.envoy.filters.passing import Passing
from simulator.envoy.request import Hashable


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What is noted down."""

    key: str
    text: str = ""
    cluster_metadata: tuple[str, str] | None = None
    """The text that stands there in the cluster's metadata, instead of `text`."""
    skip_if_empty: bool = False
    hashable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterStateConfig:
    """The filter."""

    values: tuple[Value, ...]


def decode(config: FilterStateConfig, passing: Passing) -> None:
    """Note all values down."""
    state = dict(passing.info.filter_state)
    for one in config.values:
        text = one.text
        if one.cluster_metadata is not None:
            filter_, key = one.cluster_metadata
            text = str(passing.cluster_metadata.get(filter_, {}).get(key, ""))
        if text or not one.skip_if_empty:
            state[one.key] = Hashable(text) if one.hashable else text
    passing.info = replace(passing.info, filter_state=state)
