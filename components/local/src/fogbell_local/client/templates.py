"""``fogbell templates``: templates between a folder and Fogbell."""

from pathlib import Path
from typing import Annotated

import typer

from fogbell_client import Fogbell, ProblemError
from fogbell_client.bodies import TemplateBody
from fogbell_local.client import template_folder
from fogbell_local.client.connection import JsonOption, KeyOption, UrlOption, connect
from fogbell_local.client.printing import print_json, print_table
from fogbell_local.client.problems import ClientError, failure, reporting

DirectoryArgument = Annotated[
    Path, typer.Argument(help="A directory with a folder for each template.", file_okay=False)
]

app = typer.Typer(help="Templates, from a folder and back.", no_args_is_help=True)


@app.command()
def push(
    directory: DirectoryArgument,
    names: Annotated[list[str] | None, typer.Argument(help="Only these.")] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Store every template of a directory; what has not changed makes no new version."""
    refused = False
    pushed = []
    with reporting():
        # All are read first: a slip in the last one shall not leave the others half pushed.
        bodies = {name: template_folder.read(directory / name) for name in known(directory, names)}
        with connect(url, api_key) as fogbell:
            for name, body in bodies.items():
                try:
                    pushed.append(_pushed(fogbell, name, body, quiet=as_json))
                except ProblemError as error:
                    refused = True
                    failure(ClientError(f"{name}: {error}"))
    if as_json:
        print_json(pushed)
    if refused:
        raise typer.Exit(1)


def _pushed(fogbell: Fogbell, name: str, body: TemplateBody, *, quiet: bool) -> dict[str, object]:
    before = _latest(fogbell, name)
    version = fogbell.put_template(name, body)["version"]
    changed = version != before
    if not quiet:
        typer.echo(f"{name}: version {version}{'' if changed else ', as before'}")
    return {"name": name, "version": version, "changed": changed}


def _latest(fogbell: Fogbell, name: str) -> int | None:
    try:
        return fogbell.template(name)["version"]
    except ProblemError as error:
        if error.status == 404:
            return None
        raise


@app.command()
def pull(
    directory: DirectoryArgument,
    names: Annotated[
        list[str] | None, typer.Argument(help="Which; without any, every template there is.")
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Write the latest versions of templates into a directory, over what stands there."""
    pulled = []
    with reporting(), connect(url, api_key) as fogbell:
        for name in names or [listed["name"] for listed in fogbell.templates()]:
            template = fogbell.template(name)
            template_folder.write(directory, template)
            pulled.append({"name": name, "version": template["version"]})
            if not as_json:
                typer.echo(f"{name}: version {template['version']}")
    if as_json:
        print_json(pulled)


@app.command("list")
def list_(as_json: JsonOption = False, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """List the templates, with their latest versions."""
    with reporting(), connect(url, api_key) as fogbell:
        found = list(fogbell.templates())
    if as_json:
        print_json(found)
        return
    print_table(("name", "version", "locales", "topic", "created_at"), found)


def known(directory: Path, names: list[str] | None) -> list[str]:
    """Which templates of ``directory`` are meant: ``names``, or all. Raises ClientError."""
    if not directory.is_dir():
        raise ClientError(f"{directory}: there is no such directory")
    found = [folder.name for folder in template_folder.folders(directory)]
    missing = sorted(set(names or ()) - set(found))
    if missing:
        raise ClientError(f"{directory} has no template {missing[0]!r}; it has {', '.join(found)}")
    if not found:
        layout = f"NAME/{template_folder.LOCALES}/en/email.subject"
        raise ClientError(f"{directory} has no templates: expected files such as {layout}")
    return names or found
