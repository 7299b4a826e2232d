"""What a configuration does to headers: set, append and remove, with Envoy's format strings.

Models    envoy.config.core.v3.HeaderValueOption
Follows   envoy/source/common/router/header_parser.cc
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from simulator.envoy.formatter import Format
from simulator.observe.explain import FieldRef


class Append(StrEnum):
    """What to do when the header is there already (or is not)."""

    APPEND_IF_EXISTS_OR_ADD = "append_if_exists_or_add"
    ADD_IF_ABSENT = "add_if_absent"
    OVERWRITE_IF_EXISTS_OR_ADD = "overwrite_if_exists_or_add"
    OVERWRITE_IF_EXISTS = "overwrite_if_exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """One header to add."""

    name: str
    """Lower-case."""
    value: Format

    action: Append
    keep_empty: bool
    field: FieldRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutations:
    """The header changes of one level: weighted cluster, route, virtual host or table."""

    add: tuple[Add, ...] = ()
    remove: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Say whether there is anything to do."""
        return bool(self.add or self.remove)


NO_MUTATIONS = Mutations()
