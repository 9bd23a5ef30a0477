"""How private servers are put together, without starting them."""

import subprocess
import sys
from pathlib import Path

import pytest

from fogbell_local.servers import docker, ports, slim

RESOURCE = """{application, rabbit, [
  {registered, [rabbit_sup]},
  {applications, [kernel, stdlib,
                  rabbit_common, ra]},
  {env, [{applications_of_mine, []}]}]}."""


def _plugin(home: Path, name: str, *needs: str) -> Path:
    resource = home / "plugins" / f"{name}-1.0" / "ebin" / f"{name}.app"
    resource.parent.mkdir(parents=True)
    resource.write_text(f"{{application, {name}, [{{applications, [{', '.join(needs)}]}}]}}.")
    return resource


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """The script of an installation with four plugins."""
    home = tmp_path / "rabbitmq"
    _plugin(home, "rabbit", "kernel", "ra")
    _plugin(home, "ra", "kernel", "rabbit")  # a cycle must not hang
    _plugin(home, "rabbitmq_management", "rabbit", "cowboy")
    _plugin(home, "cowboy")
    (home / "sbin").mkdir()
    script = home / "sbin" / "rabbitmq-server"
    script.touch()
    return script


def test_the_applications_are_read_from_a_resource_file() -> None:
    assert slim.dependencies(RESOURCE) == ["kernel", "stdlib", "rabbit_common", "ra"]


@pytest.mark.parametrize(
    ("plugins", "kept"),
    [
        ([], {"rabbit", "ra"}),
        (["rabbitmq_management"], {"rabbit", "ra", "rabbitmq_management", "cowboy"}),
    ],
)
def test_a_slim_installation_has_what_its_plugins_need_and_no_more(
    server: Path, tmp_path: Path, plugins: list[str], kept: set[str]
) -> None:
    scripts = slim.scripts_directory(server, plugins, tmp_path / "slim")
    assert scripts is not None
    folders = (scripts.parent / "plugins").iterdir()
    assert {folder.name.removesuffix("-1.0") for folder in folders} == kept
    assert (scripts / "rabbitmq-server").exists()


def test_an_installation_of_another_shape_is_used_whole(tmp_path: Path) -> None:
    assert slim.scripts_directory(tmp_path / "bin" / "rabbitmq-server", [], tmp_path) is None


def test_a_directory_keeps_its_ports_because_its_data_names_them(tmp_path: Path) -> None:
    first = ports.kept_ports(tmp_path, 3)
    assert len(set(first)) == 3
    assert ports.kept_ports(tmp_path, 3) == first
    more = ports.kept_ports(tmp_path, 4)
    assert more[:3] == first
    assert ports.kept_ports(tmp_path, 4) == more


def test_a_port_is_its_choosers_until_that_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens on it yet: between choosing and listening lies a server's start."""
    (port,) = ports.free_ports(1)
    monkeypatch.setattr(ports, "RANGE", range(port, port + 1))
    with pytest.raises(OSError, match="fewer than 1 free ports"):
        ports.free_ports(1)
    ask = (
        "from fogbell_local.servers import ports\n"
        f"ports.RANGE = range({port}, {port + 1})\n"
        "print(ports.free_ports(1), flush=True)\n"
        "input()\n"
    )
    other = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    assert "fewer than 1 free ports" in other.stderr


def test_a_port_is_free_again_when_its_chooser_was_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = (
        "from fogbell_local.servers import ports\n"
        "print(*ports.free_ports(1), flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", ask], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        monkeypatch.setattr(ports, "RANGE", range(port, port + 1))
        with pytest.raises(OSError, match="fewer than 1 free ports"):
            ports.free_ports(1)
        other.kill()
    assert ports.free_ports(1) == [port]


def test_a_directory_names_one_container_and_its_volume(tmp_path: Path) -> None:
    one = docker.Container("mongo:6.0", 20_000, tmp_path / "a", "/data/db")
    same = docker.Container("mongo:6.0", 20_000, tmp_path / "b" / ".." / "a", "/data/db")
    other = docker.Container("mongo:6.0", 20_000, tmp_path / "b", "/data/db")
    assert one.name == same.name != other.name
    command = one.run(["mongod"])
    assert f"--volume={one.name}:/data/db" in command
    assert "--publish=127.0.0.1:20000:20000" in command
    assert command[-2:] == ["mongo:6.0", "mongod"]
    assert one.remove() == ["docker", "rm", "--force", one.name]
