"""Images for the cluster, made without a registry: buildah builds, containerd imports."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness.places import HARNESS, REPOSITORY, State
from tests.cluster.harness.running import say
from tests.support.commands import ToolError, persistently, run
from tests.support.gomodules import go
from tests.support.making import once

from fogbell_local.cache import cache
from fogbell_local.servers import programs

PYTHON_BASE = "localhost/fogbell-base-python:bookworm"
MONGODB = "localhost/fogbell-test-mongodb:6.0"
RABBITMQ = "localhost/fogbell-test-rabbitmq:3.10"
PAUSE = "localhost/fogbell-pause:1"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PASSED_ON = (CERTIFICATES, Path("/etc/pip.conf"))


@dataclass(frozen=True, slots=True)
class Images:
    """Builds images, keeps what does not change in the cache, and loads them into a node."""

    state: State

    def load(self, archive: Path) -> None:
        """Import an archive from the cache, once for each cluster."""
        if not self._loaded(archive.stem, ""):
            self.ctr("images", "import", archive)
            self._note(archive.stem, "")

    def _loaded(self, name: str, marker: str) -> bool:
        note = self.state.root / "loaded" / name
        return note.exists() and note.read_text() == marker

    def _note(self, name: str, marker: str) -> None:
        folder = self.state.root / "loaded"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(marker)

    def ctr(self, *arguments: str | Path) -> str:
        """Run containerd's own client in Kubernetes' namespace."""
        address = ("--address", self.state.containerd_socket)
        return run("ctr", *address, "--namespace", "k8s.io", *arguments)

    def load_pause(self) -> None:
        """The image that holds a pod's namespaces open."""
        archive = _cached("pause", _digest(HARNESS / "pause" / "main.go"), _make_pause)
        self.load(archive)

    def load_services(self) -> None:
        """MongoDB and RabbitMQ, as small as tests need them."""
        for archive in service_archives():
            self.load(archive)

    def load_components(self, *components: str, tree: Path = REPOSITORY, tag: str = "test") -> None:
        """Have the images of ``components`` in the node, built from ``tree`` where they changed."""
        for component in components:
            marker = _digest(*_sources(tree, component), root=tree)
            if not self._loaded(f"{component}-{tag}", marker):
                self._load_component(build(component, tree, tag))
                self._note(f"{component}-{tag}", marker)

    def _load_component(self, image: str) -> None:
        archive = self.state.root / "component.tar"
        archive.unlink(missing_ok=True)
        _push(image, archive)
        self.ctr("images", "import", archive)
        archive.unlink()


def service_archives() -> list[Path]:
    """The images of MongoDB and RabbitMQ, made where the cache lacks them."""
    makers = (("mongodb", _make_mongodb), ("rabbitmq", _make_rabbitmq))
    return [_cached(name, _digest(Path(__file__)), make) for name, make in makers]


def build(component: str, tree: Path = REPOSITORY, tag: str = "test") -> str:
    """Build the image of ``component`` from ``tree``; returns its name.

    What has not changed is a layer already, and takes no time.
    """
    image = f"localhost/fogbell-{component}:{tag}"
    _provide_python_base()
    say(f"building the image of {component}, {tag}")
    options = (
        "--isolation=chroot",
        "--layers",
        "--pull-never",
        f"--build-arg=BASE={PYTHON_BASE}",
        f"--build-arg=COMPONENT={component}",
        *(f"--volume={p}:{p}:ro" for p in _PASSED_ON if p.exists()),
        f"--tag={image}",
    )
    persistently(lambda: _buildah("bud", *options, str(tree)))
    return image


def _provide_python_base() -> None:
    """What the Dockerfile's official Python image is replaced by, where no registry answers."""
    if _has(PYTHON_BASE):
        return
    say("making a base image of Debian's packages: 20 s, once for this machine")
    root = _debian("python3,python3-venv,ca-certificates,tini")
    try:
        _from_root(PYTHON_BASE, root)
    finally:
        root.unlink()


def _buildah(*arguments: str) -> str:
    """buildah with a store of its own, outside the work tree."""
    store = cache() / "images"
    return run("buildah", f"--root={store}", f"--runroot={store / 'run'}", *arguments)


def _has(image: str) -> bool:
    return image in _buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()


def _push(image: str, archive: Path) -> None:
    # Not oci-archive: it would compress, longer than the build takes, what is read at once.
    _buildah("push", image, f"docker-archive:{archive}:{image}")


def _sources(tree: Path, component: str) -> list[Path]:
    """Everything that an image of ``component`` is built from."""
    fixed = [tree / "Dockerfile", tree / ".dockerignore"]
    locks = [tree / "requirements" / "images" / f"{name}.txt" for name in (component, "build")]
    found = [
        file
        for name in ("core", component)
        for file in sorted((tree / "components" / name).rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts and ".egg-info" not in str(file)
    ]
    return [*fixed, *locks, *found]


def _digest(*files: Path, root: Path = HARNESS) -> str:
    """Of their contents and of their names below ``root``."""
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root)}:{len(content)}:".encode() + content)
    return digest.hexdigest()[:12]


def _cached(name: str, digest: str, make: Callable[[Path], None]) -> Path:
    """The archive of an image, made where the cache has none of this digest."""
    archive = cache() / "archives" / f"{name}-{digest}.tar"
    return once(archive, f"making the image of {name}", make, say)


def _debian(packages: str) -> Path:
    """A Debian root with ``packages``, as a tar file."""
    folder = cache() / "archives"
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / f"root.{os.getpid()}.tar"
    options = ("--variant=minbase", f"--include={packages}", "--quiet")
    # Documentation and lists of packages are half of such a root.
    slim = ("--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*")
    persistently(lambda: run("mmdebstrap", *options, *slim, "bookworm", root))
    return root


def _from_root(
    image: str, root: Path, *extra: tuple[Path, str], config: tuple[str, ...] = ()
) -> None:
    container = _buildah("from", "scratch").strip()
    try:
        _buildah("add", container, str(root), "/")
        for source, target in extra:
            _buildah("add", "--chmod", "755", container, str(source), target)
        if config:
            _buildah("config", *config, container)
        _buildah("commit", "--rm", container, image)
    except BaseException:
        _buildah("rm", container)
        raise


def _make_pause(archive: Path) -> None:
    program = archive.with_suffix(".bin")
    go("build", "-trimpath", "-ldflags", "-s -w", "-o", str(program), ".", cwd=HARNESS / "pause")
    container = _buildah("from", "scratch").strip()
    _buildah("add", container, str(program), "/pause")
    _buildah("config", "--entrypoint", '["/pause"]', container)
    _buildah("commit", "--rm", container, PAUSE)
    program.unlink()
    _push(PAUSE, archive)


def _make_mongodb(archive: Path) -> None:
    """The wheel's mongod on a bare Debian: no mongosh, so a Fogbell image initiates the set."""
    mongod = programs.mongod()
    if mongod is None:
        raise ToolError("no mongod in this environment: run 'make setup'")
    root = _debian("libcurl4,libssl3,liblzma5,tini")
    try:
        _from_root(
            MONGODB,
            root,
            (mongod, "/usr/bin/mongod"),
            config=(
                "--entrypoint",
                '["/usr/bin/tini", "--", "/usr/bin/mongod"]',
                "--user",
                "10001",
            ),
        )
    finally:
        root.unlink()
    _push(MONGODB, archive)


def _make_rabbitmq(archive: Path) -> None:
    root = _debian("rabbitmq-server,tini")
    entry = '["/usr/bin/tini", "--", "/usr/lib/rabbitmq/bin/rabbitmq-server"]'
    try:
        _from_root(RABBITMQ, root, config=("--entrypoint", entry, "--user", "10001"))
    finally:
        root.unlink()
    _push(RABBITMQ, archive)
