"""The runner's image: the template's, unless a tool of development names another."""

from fogbell_operator.pod_template import with_image
from fogbell_operator.settings import RunnerSettings

RUNNER = {"name": "campaign", "image": "fogbell-campaign:1"}
BESIDE = {"name": "proxy", "image": "proxy:1"}


def test_the_image_that_was_named_is_the_runners_alone() -> None:
    template = {"spec": {"containers": [RUNNER, BESIDE]}}
    changed = with_image(template, "fogbell-campaign:tilt-1")
    assert changed["spec"]["containers"] == [
        {"name": "campaign", "image": "fogbell-campaign:tilt-1"},
        BESIDE,
    ]
    assert template["spec"]["containers"][0]["image"] == "fogbell-campaign:1"


def test_the_templates_image_stays_where_none_is_named() -> None:
    template = {"spec": {"containers": [RUNNER]}}
    assert RunnerSettings.model_validate({"template_file": "x"}).image is None
    assert with_image(template, None) == template
