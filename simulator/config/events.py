"""What happens in a scenario while its clients load the mesh: the section `events`.

Each entry has a time, `at`, and just one thing that happens.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from simulator.config.record import Duration, Record


class Edit(Record):
    """A change of some fields of an object, as `kubectl patch --type=merge` makes it."""

    object: str
    """`KIND/NAME`, or `KIND/NAME.NAMESPACE` beyond the namespace default."""
    merge: dict[str, Any]
    """What it is merged with: null takes a field away, a list replaces a list."""


class Scale(Record):
    """Another number of replicas of a Deployment or StatefulSet."""

    workload: str
    """`NAME`, or `NAME.NAMESPACE` beyond the namespace default."""
    replicas: int = Field(ge=0, le=1_000)


class IstiodRestart(Record):
    """istiod stops, and another one starts: proxies go on with what they have."""

    down: Duration = 5_000_000_000


class ProxyTrouble(Record):
    """What keeps a workload's proxies from hearing of the control plane."""

    workload: str
    """`NAME`, or `NAME.NAMESPACE` beyond the namespace default; or one pod's."""
    for_: Duration = Field(alias="for")

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class SlowProxy(ProxyTrouble):
    """The workload's proxies take so much longer to take what they are sent."""

    by: Duration


class Event(Record):
    """One thing that happens at a time."""

    at: Duration
    apply: tuple[str | dict[str, Any], ...] = ()
    """Files of manifests, relative to this file, or objects as they are written there."""
    edit: Edit | None = None
    delete: tuple[str, ...] = ()
    """`KIND/NAME`, or `KIND/NAME.NAMESPACE` beyond the namespace default."""
    scale: Scale | None = None
    ready: Duration = 2_000_000_000
    """How long pods take to be ready that are added by `apply`, `edit` or `scale`."""
    restart_istiod: IstiodRestart | None = None
    slow_proxy: SlowProxy | None = None
    disconnect: ProxyTrouble | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Event:
        given = [name for name in _THINGS if getattr(self, name)]
        if len(given) != 1:
            message = f"give just one of {', '.join(f'`{name}`' for name in _THINGS)}"
            raise ValueError(message)
        return self


_THINGS = tuple(name for name in Event.model_fields if name not in {"at", "ready"})
