"""What a Tiltfile names and is not there, a sentence each."""

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise, takewhile
from pathlib import PurePosixPath

import typer
from tests.chart.rendering import ROOT
from tests.chart.tilt import Json, Tilt, containers, pod

from fogbell_local.__main__ import app

DOCKERFILE = (ROOT / "Dockerfile").read_text()
RELOAD = (ROOT / "k8s" / "dev" / "reload.py").read_text()


def faults(tilt: Tilt) -> list[str]:
    """A sentence for each thing that a Tiltfile names and that is not there, or forgets."""
    found = [*resource_faults(tilt), *image_use_faults(tilt), *reference_faults(tilt)]
    for image in tilt.images:
        found += [f"{image['ref']}: {fault}" for fault in image_faults(image, tilt)]
    for command in tilt.commands:
        found += [f"{command['name']}: {fault}" for fault in command_faults(command, tilt)]
    return found


def image_faults(image: Json, tilt: Tilt) -> Iterator[str]:
    """What is wrong with one docker_build()."""
    for name in image["build_args"]:
        if not re.search(rf"^ARG {name}\b", DOCKERFILE, re.MULTILINE):
            yield f"the Dockerfile has no argument {name}"
    for path in image["only"]:
        if not (ROOT / path).exists():
            yield f"there is no {path}"
    needed = set(copied(image["build_args"].get("COMPONENT", "")))
    if needed != set(image["only"]):
        yield f"the Dockerfile copies {needed}, and only {image['only']} is there"
    if image["live_update"]:
        yield from live_faults(image, tilt)


def copied(component: str) -> Iterator[str]:
    """The paths that the Dockerfile copies from the context."""
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        yield from line.replace("${COMPONENT}", component).split()[:-1]


def live_faults(image: Json, tilt: Tilt) -> Iterator[str]:
    """What is wrong with the live update of one image."""
    steps = image["live_update"]
    syncs = [step["sync"] for step in takewhile(lambda step: "sync" in step, steps)]
    for local, remote in syncs:
        yield from sync_faults(local, remote, image)
    if [step.keys() for step in steps[len(syncs) :]] != [{"run"}]:
        yield "expected sync()s and then one run()"
    yield from reload_faults(image["build_args"].get("COMPONENT", ""), tilt)
    for name, workload in tilt.workloads.items():
        for container in containers(workload):
            if repository(container["image"]) == image["ref"] and not writable(workload, container):
                yield f"{name}: nothing can be written to {live_folder()}"


def sync_faults(local: str, remote: str, image: Json) -> Iterator[str]:
    """What is wrong with one sync()."""
    if not (ROOT / local / "__init__.py").is_file():
        yield f"{local} is no package"
    if not any(PurePosixPath(local).is_relative_to(path) for path in image["only"]):
        yield f"{local} is not in the image"
    if remote != f"{live_folder()}/{local.split('/')[-1]}":
        yield f"k8s/dev/reload.py does not run {remote}"


def reload_faults(component: str, tilt: Tilt) -> Iterator[str]:
    """Containers that do not run what was synced."""
    running = [c for o in tilt.workloads.values() for c in containers(o) if c["name"] == component]
    if not running:
        yield f"no container is called {component}"
    for container in running:
        if container.get("command", [])[1:] != ["-c", RELOAD, *entrypoint()]:
            yield f"the container {container['name']} is not run by k8s/dev/reload.py"


def live_folder() -> str:
    (folder,) = re.findall(r'^LIVE = Path\("(.+?)"\)', RELOAD, re.MULTILINE)
    return str(folder)


def entrypoint() -> list[str]:
    (words,) = re.findall(r"^ENTRYPOINT \[(.+)\]$", DOCKERFILE, re.MULTILINE)
    return [word.strip('" ') for word in words.split(",")]


def writable(workload: Json, container: Json) -> bool:
    """Whether a volume that takes writes is mounted above the folder of live modules."""
    empty = {v["name"] for v in pod(workload)["volumes"] if "emptyDir" in v}
    mounts = [m["mountPath"] for m in container["volumeMounts"] if m["name"] in empty]
    return any(PurePosixPath(live_folder()).is_relative_to(mount) for mount in mounts)


def repository(image: str) -> str:
    return image.partition(":")[0]


def image_use_faults(tilt: Tilt) -> Iterator[str]:
    """Images that are built and used nowhere, and the other way round."""
    running = [c for o in tilt.workloads.values() for c in containers(o)]
    used = {repository(c["image"]) for c in running}
    # What the operator gives the runner, in place of the template's.
    runner = ("operator", "FOGBELL_RUNNER__IMAGE")
    variables = {
        e.get("value")
        for c in running
        for e in c.get("env", [])
        if (c["name"], e["name"]) == runner
    }
    for image in tilt.images:
        if image["match_in_env_vars"]:
            used |= {image["ref"]} & variables
    built = {image["ref"] for image in tilt.images}
    ours = {name for name in used if name.startswith("fogbell")}
    yield from (f"{name} is built, and nothing runs it" for name in sorted(built - ours))
    yield from (f"{name} runs, and is not built" for name in sorted(ours - built))


def resource_names(tilt: Tilt) -> list[str]:
    return [r.get("new_name", r["workload"]) for r in tilt.resources] + [
        c["name"] for c in tilt.commands
    ]


def resource_faults(tilt: Tilt) -> Iterator[str]:
    """What is wrong with the k8s_resource() calls."""
    names = resource_names(tilt)
    configured = [resource["workload"] for resource in tilt.resources]
    for name in sorted(tilt.workloads.keys() ^ set(configured)):
        yield f"{name} is either no workload, or a workload without a k8s_resource()"
    if len(set(names)) != len(names) or len(set(configured)) != len(configured):
        yield f"a name stands twice: {names}, {configured}"
    for resource in tilt.resources:
        workload = tilt.workloads.get(resource["workload"])
        exposed = {
            str(port["containerPort"])
            for container in (containers(workload) if workload else [])
            for port in container.get("ports", [])
        }
        for forward in resource.get("port_forwards", []):
            if forward.rpartition(":")[2] not in exposed:
                yield f"{resource['workload']} has no port {forward}"
    for declared in [*tilt.resources, *tilt.commands]:
        for name in set(declared.get("resource_deps", [])) - set(names):
            yield f"there is no resource {name} to wait for"


def command_faults(command: Json, tilt: Tilt) -> Iterator[str]:
    """What is wrong with one button."""
    words = command["cmd"] if isinstance(command["cmd"], list) else shlex.split(command["cmd"])
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for before, word in pairwise(words):
        if before == "make" and word not in targets:
            yield f"there is no 'make {word}'"
        if before == "--filename" and not (ROOT / word).is_file():
            yield f"there is no {word}"
        if before == "--namespace" and word not in namespaces(tilt):
            yield f"there is no namespace {word}"
        if before.endswith("/fogbell"):
            yield from client_faults(words[words.index(word) :])


def client_faults(words: list[str]) -> Iterator[str]:
    """What is wrong with the words after `fogbell`."""
    command = typer.main.get_command(app).commands.get(words[0])  # type: ignore[attr-defined]
    if command is None:
        yield f"there is no 'fogbell {words[0]}'"
        return
    known = {option for parameter in command.params for option in parameter.opts}
    for word in words:
        if word.startswith("--") and word not in known:
            yield f"'fogbell {words[0]}' has no {word}"


def namespaces(tilt: Tilt) -> set[str]:
    return {o["metadata"]["name"] for o in tilt.objects if o["kind"] == "Namespace"}


def reference_faults(tilt: Tilt) -> Iterator[str]:
    """Secrets' keys that containers read and no object has, and objects of no namespace."""
    keys = {
        (o["metadata"]["name"], key)
        for o in tilt.objects
        if o["kind"] == "Secret"
        for key in {**o.get("data", {}), **o.get("stringData", {})}
    }
    for name, workload in tilt.workloads.items():
        for container in containers(workload):
            for variable in container.get("env", []):
                reference = variable.get("valueFrom", {}).get("secretKeyRef")
                if reference and (reference["name"], reference["key"]) not in keys:
                    yield f"{name}: there is no Secret {reference}"
    for found in tilt.objects:
        namespace = found["metadata"].get("namespace")
        if found["kind"] not in ("Namespace", "CustomResourceDefinition") and (
            namespace not in namespaces(tilt)
        ):
            yield f"{found['kind']} {found['metadata']['name']} is in namespace {namespace}"
