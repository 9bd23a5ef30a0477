"""Kubernetes as the operator uses it: lists, server-side apply, Events. lightkube stays in here.

Nothing is got and nothing is deleted: those verbs are not in the operator's Role.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import httpx2
from lightkube import AsyncClient
from lightkube.config.kubeconfig import SingleConfig
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.resources import batch_v1, core_v1
from lightkube.types import PatchType

from fogbell.model.campaign import API_GROUP, API_VERSION, KIND, PLURAL
from fogbell_operator import resources
from fogbell_operator.cronjobs import FIELD_MANAGER
from fogbell_operator.errors import (
    ClusterError,
    ForbiddenError,
    GoneError,
    RefusedError,
    UnavailableError,
)
from fogbell_operator.resources import LABEL_UID, Campaign, CronJob, Job, Json, Pod

CAMPAIGN = create_namespaced_resource(API_GROUP, API_VERSION, KIND, PLURAL)

PAGE = 200
"""Campaigns in one answer of a list: each may have 64 KiB."""

_RBAC = re.compile(r'User "[^"]*" cannot ')
"""How the API server says that a role is missing; others that forbid say otherwise (tried)."""

TIMEOUT = 15.0
"""Seconds that one request may take."""


class Cluster:
    """One namespace of a cluster; the access is the pod's own, or ``KUBECONFIG``'s."""

    def __init__(self, namespace: str | None = None) -> None:
        """Raises `UnavailableError` where there is neither."""
        try:
            self._client = AsyncClient(
                namespace=namespace, field_manager=FIELD_MANAGER, timeout=httpx2.Timeout(TIMEOUT)
            )
            self.identity = identity(self._client.config)
        except ConfigError as error:
            raise UnavailableError(f"no access to a cluster: {error}") from error
        self.namespace: str = self._client.namespace

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def campaigns(self) -> list[Campaign]:
        """All of them, as of one moment: never a part of them."""
        return [resources.campaign(d) for d in await self._list(CAMPAIGN, chunk_size=PAGE)]

    async def campaign(self, name: str) -> Campaign | None:
        """One, or None."""
        found = await self._list(CAMPAIGN, fields={"metadata.name": name})
        return resources.campaign(found[0]) if found else None

    async def cronjob(self, name: str) -> CronJob | None:
        """One, or None."""
        found = await self._list(batch_v1.CronJob, fields={"metadata.name": name})
        return resources.cronjob(found[0]) if found else None

    async def jobs(self, campaign_uid: str) -> list[Job]:
        """Those of one Campaign, those that somebody made by hand from its CronJob included."""
        found = await self._list(batch_v1.Job, labels={LABEL_UID: campaign_uid})
        return [resources.job(document) for document in found]

    async def pods(self, job: Job) -> list[Pod]:
        """Those of one Job."""
        found = await self._list(
            core_v1.Pod, labels={"batch.kubernetes.io/controller-uid": job.uid}
        )
        return [resources.pod(document) for document in found]

    async def apply_cronjob(self, document: Json) -> None:
        """Create it, or make it what ``document`` says. Raises `RefusedError`."""
        await self._patch(batch_v1.CronJob, document["metadata"]["name"], document)

    async def suspend_cronjob(self, name: str) -> None:
        """Let it start nothing, and leave it as it is otherwise."""
        patch = {"spec": {"suspend": True}}
        await self._patch(batch_v1.CronJob, name, patch, PatchType.MERGE)

    async def apply_status(self, campaign: Campaign, status: Json) -> None:
        """Make ``status`` that of ``campaign``. Raises `GoneError` where it exists no more."""
        document = {
            "apiVersion": f"{API_GROUP}/{API_VERSION}",
            "kind": KIND,
            # The uid: what was made anew under this name is another Campaign.
            "metadata": {"name": campaign.name, "uid": campaign.uid},
            "status": dict(status),
        }
        await self._patch(CAMPAIGN.Status, campaign.name, document)

    async def create_event(self, document: Json) -> None:
        """Create an Event."""
        with _translated():
            await self._client.create(
                cast("core_v1.Event", core_v1.Event.from_dict(dict(document)))
            )

    async def _list(
        self,
        kind: type[Any],
        *,
        chunk_size: int | None = None,
        labels: dict[str, Any] | None = None,
        fields: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        with _translated():
            listed = self._client.list(
                kind,
                namespace=self.namespace,
                chunk_size=chunk_size,
                labels=labels,
                fields=fields,
            )
            found: list[dict[str, Any]] = [item.to_dict() async for item in listed]
            return found

    async def _patch(
        self,
        kind: type[Any],
        name: str,
        document: Json,
        patch_type: PatchType = PatchType.APPLY,
    ) -> None:
        with _translated():
            await self._client.patch(
                kind,
                name,
                dict(document),
                namespace=self.namespace,
                patch_type=patch_type,
                force=True,
            )


def identity(config: SingleConfig) -> str:
    """What stands for the cluster: its authority's fingerprint, which takes no right to read.

    Empty where it is not known. A cluster that is given a new authority is another one, so what is
    told apart by it must not be lost by that.
    """
    authority = config.cluster
    if authority.certificate_auth_data:
        text = base64.b64decode(authority.certificate_auth_data)
    elif authority.certificate_auth:
        text = Path(config.abs_file(authority.certificate_auth)).read_bytes()
    else:
        return ""
    return hashlib.sha256(text.strip()).hexdigest()[:16]


@contextmanager
def _translated() -> Iterator[None]:
    """Kubernetes' answers as this module's errors."""
    try:
        yield
    except ApiError as error:
        raise _error(error) from error
    except (httpx2.HTTPError, ConfigError) as error:
        text = str(error) or type(error).__name__
        raise UnavailableError(f"the API server does not answer: {text}") from error


def _error(error: ApiError) -> ClusterError:
    sentence = error.status.message or "no reason given"
    match error.status.code:
        case HTTPStatus.FORBIDDEN if _RBAC.search(sentence):
            return ForbiddenError(sentence)
        case HTTPStatus.FORBIDDEN:
            # A quota, or an admission policy: whoever wrote the Campaign has to change something.
            return RefusedError(sentence)
        case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
            details = error.status.details
            causes = (details.causes if details else None) or []
            return RefusedError(sentence, frozenset(cause.field or "" for cause in causes))
        case HTTPStatus.NOT_FOUND | HTTPStatus.CONFLICT:
            return GoneError(sentence)
    return UnavailableError(sentence)
