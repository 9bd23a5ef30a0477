"""What is wrong with a Campaign that its schema cannot see: its texts, its template, its match.

The operator shows it as a condition, the runner ends with it: no later try would do better.
"""

from collections.abc import Collection

from pydantic import ValidationError

from fogbell.model.campaign import CampaignSpec, Refusal
from fogbell.model.content import Content, Template
from fogbell.model.matching import OPERATORS, conditions
from fogbell.model.status import Channel
from fogbell.rendering import InvalidFieldError, TemplateSyntaxError, check_part

_EXPECTED = (
    "expected for each of at most 20 attributes a text, a number, true, false or null, or an object"
    f" with {', '.join(OPERATORS)}"
)


def spec_fault(spec: CampaignSpec) -> Refusal | None:
    """What is wrong with the spec itself; None where nothing is, as far as it says."""
    try:
        conditions(spec.audience.match)
    except ValidationError as error:
        return Refusal("InvalidMatch", f"{_attribute(error)}: {_operator(error) or _EXPECTED}.")
    return None if spec.content is None else _content_fault(spec.content, spec.channels)


def channel_fault(spec: CampaignSpec, offered: Collection[Channel] | None) -> Refusal | None:
    """A channel that nobody serves: its deliveries would wait for ever.

    ``offered``: what the installation serves; None where nobody has said.
    """
    for channel in spec.channels:
        if offered is not None and channel not in offered:
            return Refusal(
                "ChannelNotOffered",
                f"spec.channels: this installation does not offer '{channel}'; it offers"
                f" {', '.join(sorted(offered))}. Add it to a pool of worker.pools, or take it out.",
            )
    return None


def template_fault(spec: CampaignSpec, template: Template | None) -> Refusal | None:
    """What is wrong with the stored template that ``spec`` names; ``template``: what was found."""
    if spec.template is None:
        return None
    if template is None:
        version = f" version {spec.template.version}" if spec.template.version else ""
        return Refusal(
            "UnknownTemplate",
            f"There is no template '{spec.template.name}'{version}."
            f" PUT /v1/templates/{spec.template.name} first.",
        )
    for channel in spec.channels:
        if template.part(channel, None) is None:
            return Refusal(
                "MissingChannel",
                f"Template '{template.name}' version {template.version} has no part for the"
                f" channel '{channel}' in its default locale '{template.default_locale}'.",
            )
    return None


def _attribute(error: ValidationError) -> str:
    """Where it is wrong: which kind of value was tried on it says nothing to its author."""
    place = error.errors(include_url=False)[0]["loc"]
    return ".".join(("spec.audience.match", *(str(name) for name in place[:1])))


def _operator(error: ValidationError) -> str | None:
    """The first operator that there is not, where that is what is wrong."""
    for problem in error.errors(include_url=False):
        if problem["type"] == "extra_forbidden":
            return f"there is no operator '{problem['loc'][-1]}'; there are {', '.join(OPERATORS)}"
    return None


def _content_fault(content: Content, channels: list[Channel]) -> Refusal | None:
    for channel in channels:
        part = content.part(channel)
        if part is None:
            return Refusal(
                "MissingChannel", f"spec.content has no part for the channel '{channel}'."
            )
        try:
            check_part(part, channel)
        except TemplateSyntaxError as error:
            place = ".".join(("spec.content", *error.path.split("/")))
            return Refusal("TemplateSyntax", f"{place}: {error.detail}.")
        except InvalidFieldError as error:
            place = ".".join(("spec.content", *error.path.split("/")))
            return Refusal("InvalidSpec", f"{place}: {error.detail}.")
    return None
