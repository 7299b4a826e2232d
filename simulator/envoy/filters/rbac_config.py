"""Who may do what, as configured: policies made of permissions and principals.

Models    envoy.config.rbac.v3.RBAC, envoy.extensions.filters.{http,network}.rbac.v3.RBAC
Follows   envoy/source/extensions/filters/common/rbac/engine_impl.cc
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from simulator.envoy.filters.rbac_rules import Rule
from simulator.envoy.match import Subject
from simulator.observe.explain import FieldRef

TYPE = "envoy.filters.http.rbac"


class Action(StrEnum):
    """What a match of a policy means."""

    ALLOW = "ALLOW"
    DENY = "DENY"
    LOG = "LOG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """envoy.config.rbac.v3.Policy: one of the permissions and one of the principals must hold."""

    name: str
    permissions: Rule
    principals: Rule
    condition: Rule | None = None
    """What must hold besides."""
    field: FieldRef

    def holds(self, subject: Subject) -> bool:
        """Say whether a request (or connection) is one that the policy speaks of."""
        return (
            self.permissions.holds(subject)
            and self.principals.holds(subject)
            and (self.condition is None or self.condition.holds(subject))
        )

    def why(self, subject: Subject) -> str:
        """Return why it does not hold, for a learner."""
        if not self.permissions.holds(subject):
            return f"no permission fits: {self.permissions.why(subject)}"
        if not self.principals.holds(subject):
            return f"no principal fits: {self.principals.why(subject)}"
        return self.condition.why(subject) if self.condition is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """envoy.config.rbac.v3.RBAC."""

    action: Action
    policies: tuple[Policy, ...]
    """By name: the first one that holds is the one that is told of."""
    field: FieldRef

    def find(self, subject: Subject) -> Policy | None:
        """Return the policy that holds, if any."""
        return next((one for one in self.policies if one.holds(subject)), None)

    def allows(self, policy: Policy | None) -> bool:
        """Say whether a request may pass, given the policy that holds."""
        return self.action is Action.LOG or (policy is not None) == (self.action is Action.ALLOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class RbacConfig:
    """An RBAC filter; without rules everything may pass."""

    field: FieldRef
    rules: Rules | None = None
    shadow_rules: Rules | None = None
    """Evaluated and told of in the dynamic metadata, but never enforced."""
    stat_prefix: str = ""
    shadow_stat_prefix: str = ""
    """`shadow_rules_stat_prefix`, which also stands before the keys of the metadata."""
