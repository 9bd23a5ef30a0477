"""Whether a Campaign can be run at all, before Kubernetes or MongoDB is asked. Pure."""

from collections.abc import Collection

from pydantic import ValidationError

from fogbell.campaigns import channel_fault, spec_fault
from fogbell.model.campaign import CampaignSpec, Refusal
from fogbell.model.status import Channel
from fogbell_operator.cronjobs import encoded_spec
from fogbell_operator.errors import ClusterError, ForbiddenError, RefusedError
from fogbell_operator.resources import Campaign, CronJob

LARGEST = 64 * 1024
"""Bytes of a spec: it travels as one environment value, and twice that fails a container."""

_SHOWN = 5


def check(campaign: Campaign, offered: Collection[Channel] | None = None) -> CampaignSpec | Refusal:
    """The spec, or why it cannot be one; ``offered`` as for `channel_fault`."""
    size = len(encoded_spec(campaign.spec).encode())
    if size > LARGEST:
        return Refusal(
            "TooLarge",
            f"The spec has {size} bytes as JSON, and may have {LARGEST}."
            " Put long texts into a template, and recipients into a group.",
        )
    try:
        spec = CampaignSpec.model_validate(dict(campaign.spec))
    except ValidationError as error:
        return Refusal("InvalidSpec", sentences(error))
    return channel_fault(spec, offered) or spec_fault(spec) or spec


def sentences(error: ValidationError) -> str:
    """What is wrong, field by field, without what stands there."""
    found = [
        ".".join(("spec", *map(str, problem["loc"])))
        + f": {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    more = f" And {len(found) - _SHOWN} more." if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + "." + more


def foreign(campaign: Campaign, live: CronJob | None) -> Refusal | None:
    """A CronJob of the Campaign's name that is not its own: it is let be."""
    if live is None or live.owner == campaign.uid:
        return None
    whose = "an earlier Campaign of this name, and goes soon" if live.owner else "somebody else"
    return Refusal(
        "CronJobTaken", f"CronJob {live.name} belongs to {whose}. Delete it, or rename this one."
    )


def apply_fault(error: ClusterError) -> Refusal:
    """Why Kubernetes has not taken the CronJob, in its own words."""
    match error:
        case ForbiddenError():
            return Refusal("Forbidden", f"The operator's Role lacks a verb: {error}.")
        case RefusedError(fields=fields) if "spec.timeZone" in fields:
            return Refusal(
                "UnknownTimeZone",
                f"Kubernetes does not know spec.timeZone: {error}."
                " Write it as the IANA database does: Europe/Amsterdam.",
            )
        case RefusedError(fields=fields) if "spec.schedule" in fields:
            return Refusal("InvalidSchedule", f"Kubernetes refuses spec.schedule: {error}.")
    return Refusal("CronJobRefused", f"Kubernetes refuses the CronJob: {error}.")
