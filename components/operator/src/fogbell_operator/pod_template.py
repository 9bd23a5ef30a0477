"""The runner's pod as the installation wants it: a PodTemplateSpec in a YAML file."""

import copy
from pathlib import Path
from typing import Any

import yaml

from fogbell_operator.resources import Json


class TemplateError(Exception):
    """The runner's pod template cannot be used; the text says what was expected."""


def read_template(path: Path) -> Json:
    """The template in ``path``. Raises `TemplateError`."""
    try:
        document: object = yaml.safe_load(path.read_text())
    except OSError as error:
        raise TemplateError(
            f"FOGBELL_RUNNER__TEMPLATE_FILE cannot be read: {error.strerror}: {path}"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TemplateError(f"FOGBELL_RUNNER__TEMPLATE_FILE is no YAML: {path}") from error
    return check_template(document)


def check_template(document: object) -> Json:
    """``document`` where it has what the operator adds to. Raises `TemplateError`."""
    match document:
        case {"spec": {"containers": [{"name": str(), "image": str()}, *_]} as spec, **others}:
            if others.keys() <= {"metadata"}:
                return {"spec": spec, "metadata": others.get("metadata") or {}}
    raise TemplateError(
        "FOGBELL_RUNNER__TEMPLATE_FILE: expected a PodTemplateSpec: 'spec' with 'containers',"
        " the first of them the runner's with 'name' and 'image', and at most 'metadata' besides"
    )


def with_image(template: Json, image: str | None) -> Json:
    """The template with ``image`` for its runner; None leaves it as it is."""
    if image is None:
        return template
    changed: dict[str, Any] = copy.deepcopy(dict(template))
    changed["spec"]["containers"][0]["image"] = image
    return changed
