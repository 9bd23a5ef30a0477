"""The endpoints, a module for each thing they are about, and the table of all of them."""

from fogbell_intake import health, problems
from fogbell_intake.routes import (
    api_keys,
    batch,
    changes,
    inbox,
    lists,
    notifications,
    recipients,
    suppressions,
    templates,
)
from fogbell_intake.routing import Route, public

# Starlette tries them in this order: what is asked most comes first.
TABLE: tuple[Route, ...] = (
    *notifications.ROUTES,
    *batch.ROUTES,
    *changes.ROUTES,
    *lists.ROUTES,
    *recipients.ROUTES,
    *templates.ROUTES,
    *suppressions.ROUTES,
    *api_keys.ROUTES,
    *inbox.ROUTES,
    public("/healthz", health.alive),
    public("/readyz", health.ready),
    public("/problems/{code}", problems.page),
)
