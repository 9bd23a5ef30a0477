"""``/openapi.json``, and ``/docs`` to try it: Swagger UI, from the package that carries its files.

The package is found by its metadata and never imported: importing it would import Flask. Nothing
is loaded from anywhere else, which the page's own policy also forbids.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from fogbell_intake.describing import About, Parameter, Text
from fogbell_intake.problems import not_found
from fogbell_intake.routing import public

PACKAGE: Final = "flask-swagger-ui"
_FOLDER: Final = "flask_swagger_ui/dist"
_SCRIPT: Final = "text/javascript"
_ASSETS: Final[Mapping[str, str]] = {
    "swagger-ui-bundle.js": _SCRIPT,
    "swagger-ui.css": "text/css",
}
_START: Final = "start.js"
_STARTING: Final = """\
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  validatorUrl: null,
});
"""
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Fogbell's interface</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="page"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The page's own files and requests to this intake. Swagger UI draws its icons from ``data:``;
keys that are typed in stay in the page's memory."""


class OpenApiDocument(BaseModel):
    """An OpenAPI 3.1 document: this one."""

    openapi: str


async def document(request: Request) -> Response:
    """The interface's document, OpenAPI 3.1."""
    return Response(request.app.state.openapi, media_type="application/json")


async def page(_: Request) -> Response:
    """A page to read the interface and to try it, with keys of your own."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": POLICY})


async def asset(request: Request) -> Response:
    """What the page is made of."""
    name = request.path_params["asset"]
    if name == _START:
        return Response(_STARTING, media_type=_SCRIPT)
    if name not in _ASSETS:
        raise not_found("such file")
    # The files change only with the package, and are two megabytes.
    headers = {"Cache-Control": "public, max-age=3600"}
    return FileResponse(_folder() / name, media_type=_ASSETS[name], headers=headers)


@cache
def _folder() -> Path:
    return Path(str(distribution(PACKAGE).locate_file(_FOLDER)))


_NAMED = Parameter("asset", {"enum": [*_ASSETS, _START]}, "The file's name.", "path")

ROUTES = (
    public("/openapi.json", document, About({200: OpenApiDocument})),
    public("/docs", page, About({200: Text("text/html", "The page.")})),
    public(
        "/docs/{asset}",
        asset,
        About({200: Text("*/*", "A script or a style sheet.")}, None, (_NAMED,), (404,)),
    ),
)
