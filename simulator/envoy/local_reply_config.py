"""How a connection manager rewrites the answers that are the proxy's own.

Models    envoy.extensions.filters.network.http_connection_manager.v3.{LocalReplyConfig,
          ResponseMapper}
Follows   envoy/source/common/local_reply/local_reply.cc, source/common/http/utility.cc
          (prepareLocalReply)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from simulator.envoy.format_commands import Facts
from simulator.envoy.formatter import Substitution
from simulator.envoy.header_map import first, without
from simulator.envoy.headers import mutate
from simulator.envoy.local_reply import Reply
from simulator.envoy.log_filter import LogFilter
from simulator.envoy.mutation import Mutations
from simulator.observe.explain import FieldRef

Note: TypeAlias = Callable[[str, str, str, FieldRef], None]
"""Tells a learner: what it is, its name, what became of it, and where it is configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyFormat:
    """How a body is written."""

    form: Substitution
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapper:
    """What becomes of the answers that a filter picks."""

    filter: LogFilter | None
    """None: every answer."""
    status: int | None
    body: str | None
    body_format: BodyFormat | None
    headers: Mutations
    field: FieldRef

    def picks(self, facts: Facts) -> bool:
        """Say whether an answer is this mapper's."""
        return self.filter is None or self.filter.passes(facts)

    def mapped(self, reply: Reply, facts: Facts) -> Reply:
        """Return an answer with this mapper's status, body and headers."""
        return replace(
            reply,
            status=reply.status if self.status is None else self.status,
            body=reply.body if self.body is None else self.body,
            # They are made before the status changes.
            headers=mutate(self.headers, reply.headers, facts),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalReplyConfig:
    """The mappers, of which the first that picks an answer has it, and how bodies are written."""

    mappers: tuple[Mapper, ...]
    body_format: BodyFormat | None

    def rewritten(self, reply: Reply, facts: Facts, note: Note | None) -> Reply:
        """Return an answer as it is sent; `facts` are those of its stream."""
        facts = _of(reply, facts)
        mapper = next((one for one in self.mappers if one.picks(facts)), None)
        body_format, made = self.body_format, reply
        if mapper is not None:
            made, body_format = mapper.mapped(reply, facts), mapper.body_format or body_format
            if note is not None:
                told = f"the answer {reply.status} is rewritten to {made.status}"
                note("local reply mapper", str(reply.status), told, mapper.field)
        if body_format is not None:
            body = body_format.form.render(_of(made, facts))
            made = replace(made, body=body, content_type=body_format.content_type)
        kept = first(made.headers, "content-type") == first(reply.headers, "content-type")
        if kept and made.body != reply.body:
            made = replace(made, headers=without(made.headers, ("content-type",)))
        return made


def _of(reply: Reply, facts: Facts) -> Facts:
    """Return what a format may speak of while an answer is made up."""
    assert facts.end is not None, "an answer ends its request"
    return replace(
        facts,
        status=reply.status,
        response_headers=reply.headers,
        local_reply_body=reply.body,
        end=replace(facts.end, log_type="NotSet"),
    )
