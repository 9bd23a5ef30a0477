"""Schemas of Kubernetes, read once."""

from functools import cache

import kubernetes_validate
import pytest


@pytest.fixture(scope="session", autouse=True)
def _schemas_are_read_once() -> None:
    """kubernetes-validate reads its files anew for each object: minutes instead of seconds."""
    utils = kubernetes_validate.utils
    utils.schema_contents = cache(utils.schema_contents)
    utils.all_versions = cache(utils.all_versions)
