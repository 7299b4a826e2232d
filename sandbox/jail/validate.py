"""Ask the real Envoy, in its jail, whether it would take a bootstrap."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.errors import StartTimeout, Unsupported
from sandbox.jail.allowed import refused
from sandbox.jail.confine import confined, require, within
from simulator.envoy_api import format as format_message
from simulator.envoy_api import parse

_WORDS = 4096
_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Envoy says of a bootstrap."""

    accepted: bool
    words: str


def validate(bootstrap: Mapping[str, Any], *, timeout_s: float = _TIMEOUT_S) -> Verdict:
    """Return whether Envoy takes a bootstrap in its JSON form.

    Raises SchemaError for what is not one, Unsupported for what may not run in the jail,
    EngineMissing without a jail, StartTimeout for one that comes to no end.
    """
    message = parse(bootstrap, "envoy.config.bootstrap.v3.Bootstrap")
    admit(message)
    config = json.dumps(format_message(message))
    inside = confined("--mode", "validate", "-l", "error", "--config-yaml", config)
    try:
        done = subprocess.run(
            [*within(()), *inside],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"Envoy did not come to an end with this bootstrap within {timeout_s:g} s"
        raise StartTimeout(message) from error
    return Verdict(done.returncode == 0, (done.stdout + done.stderr)[-_WORDS:].strip())


def admit(bootstrap: Any) -> None:  # noqa: ANN401 - made at run time
    """Raise EngineMissing without a jail, and Unsupported for what may not run in it."""
    require()
    if reasons := refused(bootstrap):
        raise Unsupported("this bootstrap", "; ".join(reasons))
