"""A part of a resource under construction, with the manifest positions behind its fields.

The value is what a message's constructor takes: proto field names, nested mappings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from simulator.config.objects import Object
from simulator.envoy_api import message
from simulator.observe.explain import FieldRef

SECOND_NS = 1_000_000_000

Written: TypeAlias = tuple[Object, str]
"""An object, and the path of a field of its manifest."""


class Places(Mapping[FieldRef, str]):
    """Positions in manifests by xDS field: looked up when asked for, few ever are."""

    def __init__(self, written: Mapping[FieldRef, Written]) -> None:
        self._written = written

    def __getitem__(self, field: FieldRef) -> str:
        """Return the position behind a field. Raises KeyError for one that has none."""
        source, place = self._written[field]
        return str(source.at(place))

    def __iter__(self) -> Iterator[FieldRef]:
        """Yield every field that has a position."""
        return iter(self._written)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._written)


@dataclass(slots=True)
class Part:
    """A mapping of proto fields; `sources` says by relative path where a field was written."""

    value: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, Written] = field(default_factory=dict)

    def note(self, path: str, source: Object | None, place: str) -> None:
        """Say that the field at `path` ("" for the whole part) comes from `place` of an object."""
        if source is not None:
            self.sources[path] = source, place

    def put(self, name: str, value: Any, source: Object | None = None, place: str = "") -> None:  # noqa: ANN401 - any field
        """Set a field and say where it comes from."""
        self.value[name] = value
        if place:
            self.note(name, source, place)

    def nest(self, name: str, inner: Part) -> None:
        """Set a message field from another part."""
        self.value[name] = inner.value
        self._adopt(name, inner)

    def list(self, name: str, inner: Iterable[Part]) -> None:
        """Set a repeated message field from other parts."""
        parts = tuple(inner)
        self.value[name] = [each.value for each in parts]
        for at, each in enumerate(parts):
            self._adopt(f"{name}[{at}]", each)

    def _adopt(self, prefix: str, inner: Part) -> None:
        for path, place in inner.sources.items():
            self.sources[f"{prefix}.{path}" if path and path[0] != "[" else prefix + path] = place


def duration(value_ns: int) -> dict[str, int]:
    """Return a `google.protobuf.Duration`."""
    return {"seconds": value_ns // SECOND_NS, "nanos": value_ns % SECOND_NS}


def wrapped(value: bool | float | str) -> dict[str, Any]:  # noqa: FBT001 - any scalar
    """Return a wrapper such as `google.protobuf.UInt32Value`."""
    return {"value": value}


def address(host: str, port: int) -> dict[str, Any]:
    """Return an `envoy.config.core.v3.Address` of a TCP socket."""
    return {"socket_address": {"address": host, "port_value": port}}


def istio_metadata(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return an `envoy.config.core.v3.Metadata` whose `istio` key has these plain values."""
    struct = message("google.protobuf.Struct")()
    struct.update(dict(fields))
    return {"filter_metadata": {"istio": struct}}
