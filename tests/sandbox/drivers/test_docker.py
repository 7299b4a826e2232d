"""What bounds the containers of a mesh, and what is said where there is no engine."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import docker
import pytest

from sandbox.box import Sandbox
from sandbox.drivers.addressing import Transparent
from sandbox.drivers.containers import LABEL, NAME
from sandbox.drivers.docker import DockerDriver
from sandbox.errors import EngineMissing
from simulator.config.scenario import Request
from tests.sandbox.meshes import bookshop
from tests.support.required import need

pytestmark = [pytest.mark.envoy, pytest.mark.xdist_group("docker")]


@pytest.fixture
def engine() -> None:
    need("docker", DockerDriver().lacking())


def test_every_container_is_bounded_and_the_network_leads_nowhere(engine: None) -> None:
    with Sandbox.start(bookshop(""), driver=DockerDriver()) as box:
        client = docker.from_env()
        label = {"label": f"{LABEL}={box.id}"}
        running = [each for each in client.containers.list(filters=label) if NAME in each.labels]
        (network,) = client.networks.list(filters=label)
        client.close()

    assert len(running) == len(box.plan.workloads) + len(box.plan.proxies)
    for each in running:
        host = each.attrs["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["CapAdd"] in (None, [])
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert 0 < host["Memory"] <= 256 * 1024 * 1024
        assert 0 < host["PidsLimit"] <= 64
        assert 0 < host["NanoCpus"] <= 1_000_000_000
    assert network.attrs["Internal"]


def test_two_meshes_at_once_have_the_same_addresses_to_their_users(engine: None) -> None:
    request = Request.model_validate(
        {"from": "productpage-v1.default", "url": "http://details:9080/"}
    )
    with (
        Sandbox.start(bookshop(""), driver=DockerDriver()) as first,
        Sandbox.start(bookshop(""), driver=DockerDriver()) as second,
    ):
        seen = [box.probe([request])[0] for box in (first, second)]

    assert [each.status for each in seen] == [200, 200]
    assert seen[0].upstream == seen[1].upstream


@pytest.mark.parametrize(
    ("network", "given", "wanted"),
    [
        pytest.param("10.160.0.0/16", "10.244.0.7", "10.160.0.7", id="a-pod-is-moved"),
        pytest.param("10.160.0.0/16", "10.96.0.11", "10.96.0.11", id="a-service-is-not"),
        pytest.param("10.244.0.0/16", "10.244.0.7", "10.244.0.7", id="nothing-where-free"),
    ],
)
def test_pods_are_moved_where_their_network_is_taken(network: str, given: str, wanted: str) -> None:
    addressing = Transparent((), IPv4Network(network))

    assert addressing.address(given) == wanted
    assert addressing.mesh_address(f"{wanted}:80") == f"{given}:80"


def test_without_an_engine_the_reader_is_told_what_to_try(
    monkeypatch: pytest.MonkeyPatch, run_root: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{run_root}/nobody.sock")

    with pytest.raises(EngineMissing, match=r"no Docker: no engine answers.* Try: --driver"):
        Sandbox.start(bookshop(""), driver=DockerDriver())
    assert list(run_root.iterdir()) == []
