"""``fogbell-operator``: read the settings, then reconcile until told to stop."""

import sys

import uvloop

from fogbell.settings import SERVICE_EXIT, load
from fogbell.telemetry.logs import configure_logging
from fogbell_operator.app import Operator, quieten
from fogbell_operator.pod_template import TemplateError, read_template, with_image
from fogbell_operator.settings import OperatorComponentSettings


def main() -> None:
    """Run the operator; exits 2 on wrong settings, 1 where it could do its work no longer."""
    settings = load(OperatorComponentSettings)
    configure_logging("operator", settings.log.level, settings.log.format)
    quieten()
    try:
        template = read_template(settings.runner.template_file)
    except TemplateError as error:
        sys.stderr.write(f"fogbell: {error}\n")
        sys.exit(SERVICE_EXIT)
    template = with_image(template, settings.runner.image)
    sys.exit(uvloop.run(_run(Operator(settings, template))))


async def _run(operator: Operator) -> int:
    return await operator.run()


if __name__ == "__main__":
    main()
