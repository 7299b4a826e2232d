"""Who may do what, as configured: policies made of permissions and principals.

Models    envoy.config.rbac.v3.{RBAC, Action}, envoy.extensions.filters.{http,network}.rbac.v3.RBAC
Follows   envoy/source/extensions/filters/common/rbac/engine_impl.cc
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from simulator.envoy.filters.rbac_rules import Rule
from simulator.envoy.match import Subject
from simulator.envoy.match_tree import Tree
from simulator.observe.explain import FieldRef, Node, Outcome

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


@dataclass(frozen=True, slots=True)
class Judgement:
    """What rules make of a request (or connection)."""

    allowed: bool
    name: str | None
    """Of the policy or decision that holds; `None`: none does."""
    field: FieldRef
    log_hint: bool | None = None
    """What the access log is told; `None`: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """envoy.config.rbac.v3.RBAC."""

    action: Action
    policies: tuple[Policy, ...]
    """By name: the first one that holds is the one that is told of."""
    field: FieldRef

    def judge(self, subject: Subject) -> Judgement:
        """Say whether a request may pass."""
        found = next((one for one in self.policies if one.holds(subject)), None)
        logs = self.action is Action.LOG
        return Judgement(
            logs or (found is not None) == (self.action is Action.ALLOW),
            found.name if found is not None else None,
            found.field if found is not None else self.field,
            found is not None if logs else None,
        )

    def told(self, judged: Judgement) -> str:
        """Return what was found, for a learner."""
        if judged.name is not None:
            return f"a policy of action {self.action.value} holds"
        if self.policies:
            return f"no policy of action {self.action.value} holds"
        return f"there is no policy of action {self.action.value}"

    def nodes(self, judged: Judgement, subject: Subject) -> tuple[Node, ...]:
        """Return why each policy, up to the one that holds, does or does not."""
        nodes = []
        for one in self.policies:
            holds = one.name == judged.name
            nodes.append(
                Node(
                    what="policy",
                    name=one.name,
                    outcome=Outcome.CHOSEN if holds else Outcome.REJECTED,
                    reason="its permissions and principals hold" if holds else one.why(subject),
                    field=one.field,
                )
            )
            if holds:
                break
        return tuple(nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """envoy.config.rbac.v3.Action: where a tree leads."""

    name: str
    action: Action
    field: FieldRef


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRules:
    """`matcher`: a tree of conditions; a request that it leads nowhere is refused."""

    tree: Tree[Decision]
    logs: bool
    """Whether one of its decisions is LOG."""
    field: FieldRef

    def judge(self, subject: Subject) -> Judgement:
        """Say whether a request may pass."""
        found = self.tree.find(subject)
        if found is None:
            return Judgement(allowed=False, name=None, field=self.field)
        hint = found.action is Action.LOG if self.logs else None
        return Judgement(found.action is not Action.DENY, found.name, found.field, hint)

    def told(self, judged: Judgement) -> str:
        """Return what was found, for a learner."""
        leads = "nowhere" if judged.name is None else f"to the action {judged.name}"
        return f"the tree of conditions leads {leads}"

    def nodes(self, judged: Judgement, subject: Subject) -> tuple[Node, ...]:  # noqa: ARG002
        """Return nothing: what the tree looks at is not told."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RbacConfig:
    """An RBAC filter; without rules everything may pass."""

    field: FieldRef
    rules: Rules | TreeRules | None = None
    shadow_rules: Rules | TreeRules | None = None
    """Evaluated and told of in the dynamic metadata, but never enforced."""
    stat_prefix: str = ""
    shadow_stat_prefix: str = ""
    """`shadow_rules_stat_prefix`, which also stands before the keys of the metadata."""
