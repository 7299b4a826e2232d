"""What a learner's bootstrap may do in its jail: handle requests, and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.drivers.process import ENVOY_OPTIONS
from sandbox.errors import EngineMissing, StartTimeout, Unsupported
from sandbox.fidelity.compare import compare
from sandbox.jail import validate as validating
from sandbox.jail.alone import probe
from sandbox.jail.confine import confined, lacking, within
from sandbox.jail.validate import validate
from simulator.config.scenario import Request
from simulator.engine.standalone import Standalone
from tests.sandbox.drivers.traces import working_in
from tests.support.eventually import eventually
from tests.support.required import need

pytestmark = [pytest.mark.envoy, pytest.mark.xdist_group("drivers")]
_HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "envoy.extensions.filters.http.router.v3.Router"
_LUA = "envoy.extensions.filters.http.lua.v3.Lua"

SHADOW = {"name": "s", "generic_secret": {"secret": {"filename": "/etc/shadow"}}}
READS = "error(tostring(io.open('/etc/passwd') or io.open('/root') or 'no file'))"
RUNS = "error('ran: ' .. tostring(os.execute('true')))"
GROWS = "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end"
WRITES = """
local f = io.open('/tmp/x', 'w')
for i = 1, 64 do
  if not f:write(('x'):rep(2^20)) then error('disk full') end
end
f:flush()
error('wrote it all')
"""


@pytest.fixture(autouse=True)
def jail() -> None:
    need("bwrap", lacking())


def typed(kind: str, **more: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/{kind}", **more}


def endpoint(address: str, port: int) -> dict[str, Any]:
    socket = {"socket_address": {"address": address, "port_value": port}}
    return {"lb_endpoints": [{"endpoint": {"address": socket}}]}


def cluster(name: str, kind: str, address: str, port: int) -> dict[str, Any]:
    assignment = {"cluster_name": name, "endpoints": [endpoint(address, port)]}
    return {"name": name, "type": kind, "load_assignment": assignment}


def bootstrap(*filters: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A listener on port 80 with routes to a cluster by address, one by name, and an answer."""
    routes = [
        {"match": {"prefix": "/named"}, "route": {"cluster": "named"}, "name": "named"},
        {"match": {"prefix": "/said"}, "direct_response": {"status": 418}},
        {"match": {"prefix": "/"}, "route": {"cluster": "numbered"}, "name": "numbered"},
    ]
    http_filters = [*filters, {"name": "router", "typed_config": typed(_ROUTER)}]
    manager = typed(
        _HCM,
        stat_prefix="in",
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        http_filters=http_filters,
        **more,
    )
    listener = {
        "name": "in",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 80}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    clusters = [
        cluster("numbered", "STATIC", "10.1.2.3", 9000),
        cluster("named", "STRICT_DNS", "pages.example.com", 8080),
    ]
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def lua(script: str) -> dict[str, Any]:
    config = typed(_LUA, default_source_code={"inline_string": script})
    return {"name": "lua", "typed_config": config}


def test_both_planes_say_the_same_of_a_bootstrap() -> None:
    paths = ("/", "/named/1", "/said")
    requests = [Request(id=path, url=f"http://shop{path}") for path in paths]
    real = probe(bootstrap(), requests)
    simulated = Standalone.of(bootstrap()).probe(requests)

    assert [each.status for each in real] == [200, 200, 418]
    assert [compare(*pair) for pair in zip(real, simulated, strict=True)] == [()] * len(paths)


def test_envoy_says_what_is_wrong_with_a_bootstrap() -> None:
    broken = bootstrap()
    broken["static_resources"]["clusters"][0]["name"] = "other"
    broken["static_resources"]["clusters"][0]["load_assignment"]["cluster_name"] = "other"

    assert validate(bootstrap()).accepted
    assert "unknown cluster 'numbered'" in validate(broken).words


@pytest.mark.parametrize(
    ("given", "named"),
    [
        pytest.param(bootstrap(lua("os.exit()")), "filters.http.lua.v3.Lua", id="a-script"),
        pytest.param(
            bootstrap(
                access_log=[
                    {
                        "name": "file",
                        "typed_config": typed(
                            "envoy.extensions.access_loggers.file.v3.FileAccessLog", path="/etc/x"
                        ),
                    }
                ]
            ),
            "/etc/x",
            id="a-log-anywhere",
        ),
        pytest.param(
            {**bootstrap(), "dynamic_resources": {"lds_config": {"path": "/etc/passwd"}}},
            "dynamic_resources",
            id="discovery",
        ),
        pytest.param({"static_resources": {"secrets": [SHADOW]}}, "filename", id="a-file-read"),
        pytest.param({"tracing": {"http": {"name": "x"}}}, "tracing", id="tracing"),
    ],
)
def test_what_is_not_known_to_be_harmless_is_refused_by_name(
    given: dict[str, Any], named: str
) -> None:
    with pytest.raises(Unsupported, match=f"this bootstrap: .*{named}"):
        validate(given)


def run_lua(script: str, seconds: float = 20.0) -> str:
    """What an Envoy says that carries a script out: past the list, inside the walls."""
    config = json.dumps(bootstrap(lua(script)))
    inside = confined("--mode", "validate", "-l", "error", "--config-yaml", config)
    done = subprocess.run(
        [*within(()), *inside], capture_output=True, text=True, timeout=seconds, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("script", "says"),
    [
        pytest.param(READS, "no file", id="no-file-is-there"),
        pytest.param(RUNS, "ran: (nil|32512|-1|false)", id="no-program-is-there"),
        pytest.param(GROWS, "memory|alloc|^$", id="memory-ends"),
        pytest.param(WRITES, "disk full|^$", id="files-end"),
    ],
)
def test_the_walls_hold_even_for_a_script(script: str, says: str) -> None:
    said = run_lua(script)

    assert re.search(says, said), said
    assert "wrote it all" not in said


def test_what_comes_to_no_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validating, "refused", lambda _: ())

    with pytest.raises(StartTimeout, match="within 1 s"):
        validate(bootstrap(lua("while true do end")), timeout_s=1.0)

    eventually(lambda: not _looping(), "it is gone")


def _looping() -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        try:
            if (
                process.name.isdigit()
                and b"while true do end" in (process / "cmdline").read_bytes()
            ):
                found.append(process.name)
        except OSError:
            continue
    return found


def test_nothing_is_left_of_a_jail(run_root: Path) -> None:
    probe(bootstrap(), [Request(url="http://shop/")])

    assert list(run_root.iterdir()) == []
    assert not working_in(run_root)


def test_without_a_jail_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))

    with pytest.raises(EngineMissing, match=r"there is no bwrap.* Try: .*--engine sim"):
        validate(bootstrap())


def test_an_envoy_in_the_jail_has_its_usual_options() -> None:
    command = confined(*ENVOY_OPTIONS)

    assert "--cap-drop" in command
    assert command[command.index("/envoy") + 1 :][-len(ENVOY_OPTIONS) :] == ENVOY_OPTIONS
