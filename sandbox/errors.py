"""What can go wrong on our side: a verdict is then undecided, never failed."""

from __future__ import annotations


class SandboxError(Exception):
    """The sandbox could not do what was asked; the message says why and what to try."""


class EngineMissing(SandboxError):  # noqa: N818 - the name of the state
    """There is no Envoy on this machine."""


class Unsupported(SandboxError):  # noqa: N818 - the name of the state
    """The driver cannot carry what was asked; `what` names it."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: this driver cannot carry it: {why}. Try: --engine sim")
        self.what = what


class AddressInUse(SandboxError):  # noqa: N818 - the name of the state
    """Something else listens where the sandbox wants to."""


class StartTimeout(SandboxError):  # noqa: N818 - the name of the state
    """Not everything was ready within the deadline."""


class Refused(SandboxError):  # noqa: N818 - the name of the state
    """An Envoy refused its configuration, in its own words."""


class ProcessDied(SandboxError):  # noqa: N818 - the name of the state
    """An Envoy or a workload ended on its own; `name` says which."""

    def __init__(self, name: str, code: int, log: str, tail: str) -> None:
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        shown = f"; the end of its log ({log}):\n{tail}" if tail else f"; its log ({log}) is empty"
        super().__init__(f"{name} {ended}{shown}")
        self.name = name


class ProbeTimeout(SandboxError):  # noqa: N818 - the name of the state
    """A request, or the access log of a proxy on its way, did not come in time."""


class UnknownSandbox(SandboxError):  # noqa: N818 - the name of the state
    """No sandbox of that id is up."""
