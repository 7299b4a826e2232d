"""The drivers, by the words of `--driver`."""

from __future__ import annotations

from sandbox.drivers.docker import DockerDriver
from sandbox.drivers.driver import Driver
from sandbox.drivers.netns import NetnsDriver
from sandbox.drivers.process import ProcessDriver
from sandbox.errors import Unsupported

DRIVERS: dict[str, type[Driver]] = {
    "process": ProcessDriver,
    "netns": NetnsDriver,
    "docker": DockerDriver,
}


def named(name: str) -> Driver:
    """Return a driver. Raises Unsupported for a name that is none."""
    if name not in DRIVERS:
        raise Unsupported(f"driver {name}", f"there is {', '.join(DRIVERS)} alone")
    return DRIVERS[name]()
