"""One run of a Campaign, and the notification that it is. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from fogbell.identity import run_id
from fogbell.model.campaign import CampaignAudience, CampaignSpec, Firing
from fogbell.model.content import Template
from fogbell.model.notification import (
    Audience,
    NamedRecipient,
    Notification,
    Origin,
    OriginType,
    TemplateRef,
)
from fogbell.model.status import Lane


@dataclass(frozen=True, slots=True)
class Run:
    """One firing of one Campaign; ``uid`` is the Campaign's, ``cluster`` stands for where it is."""

    spec: CampaignSpec
    namespace: str
    name: str
    uid: str
    firing: Firing
    cluster: str | None = None

    @property
    def id(self) -> UUID:
        """Its notification's: the same for every pod of the firing."""
        return run_id(self.uid, self.firing.key)

    def notification(self, template: Template | None, now: datetime) -> Notification:
        """What is stored when the run begins at ``now``; ``template`` is what it is pinned to."""
        spec = self.spec
        return Notification(
            id=self.id,
            origin=Origin(OriginType.CAMPAIGN, f"{self.namespace}/{self.name}"),
            channels=tuple(dict.fromkeys(spec.channels)),
            lane=Lane.BULK,
            audience=_audience(spec.audience),
            template=TemplateRef(template.name, template.version) if template else None,
            content=spec.content,
            data=spec.data,
            metadata=self._metadata(),
            throttle_per_second=spec.throttle.per_second if spec.throttle else None,
            created_at=now,
            expires_at=self._expires_at(now),
        )

    def _expires_at(self, now: datetime) -> datetime | None:
        """Counted from the scheduled time: a late start makes nothing last longer."""
        lifetime = self.spec.lifetime
        return None if lifetime is None else (self.firing.scheduled_for or now) + lifetime

    def _metadata(self) -> dict[str, str]:
        told = {"campaign": self.name, "namespace": self.namespace, "uid": self.uid}
        if self.cluster:
            told["cluster"] = self.cluster
        scheduled = self.firing.scheduled_for
        if scheduled is None:
            return told
        return told | {"scheduled_for": scheduled.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def _audience(asked: CampaignAudience) -> Audience:
    return Audience(
        recipients=tuple(NamedRecipient(name) for name in dict.fromkeys(asked.recipients)),
        groups=tuple(dict.fromkeys(asked.groups)),
        match=asked.match,
        everyone=asked.all,
    )
