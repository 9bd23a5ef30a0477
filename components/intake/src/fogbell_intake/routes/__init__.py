"""The endpoints, a module for each thing they are about, and the table of all of them."""

from fogbell_intake import health, problem_types, problems
from fogbell_intake.answers import Alive, Readiness
from fogbell_intake.describing import About, Parameter, Text
from fogbell_intake.routes import (
    api_keys,
    batch,
    changes,
    endpoints,
    inbox,
    interface,
    lists,
    notifications,
    recipients,
    suppressions,
    templates,
)
from fogbell_intake.routing import Route, public

_CODE = Parameter("code", {"enum": list(problem_types.TYPES)}, "The problem's code.", "path")
_PAGE = Text("text/html", "What the problem means and what to do about it.")

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
    *endpoints.ROUTES,
    *inbox.ROUTES,
    *interface.ROUTES,
    public("/healthz", health.alive, About({200: Alive})),
    public("/readyz", health.ready, About({200: Readiness, 503: Readiness})),
    public("/problems/{code}", problems.page, About({200: _PAGE}, None, (_CODE,), (404,))),
)
