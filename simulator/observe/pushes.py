"""What the control plane did in the course of a run, as plain records."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One response on its way to one proxy."""

    proxy: str
    push: int
    """The number of the push; 0 for what a proxy is sent when it connects."""
    kind: str
    """`clusters`, `endpoints`, `listeners` or `routes`."""
    sent_ns: int
    taken_ns: int
    answered_ns: int
    """When istiod had the answer."""
    error: str = ""
    """Why the proxy refused it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One push of istiod's, from the first change that led to it to the last answer."""

    number: int
    """From 1, in the order in which they begin."""
    changes: tuple[str, ...]
    full: bool
    """False: endpoints alone."""
    changed_ns: int
    """When istiod heard of the first of the changes."""
    begun_ns: int
    """When it had been quiet for long enough."""
    built_ns: int
    """When proxies began to be pushed to."""
    proxies: int
    """How many have answered; those for whom nothing changes are sent nothing."""
    done_ns: int
    """When the last answer came; -1 if there was none."""
    refused: int
    """How many responses were refused."""
