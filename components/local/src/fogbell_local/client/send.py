"""``fogbell send``: post one notification."""

import json
from typing import Annotated, Any, cast

import typer

from fogbell_client.bodies import NotificationBody
from fogbell_local.client.connection import JsonOption, KeyOption, UrlOption, connect
from fogbell_local.client.printing import print_json
from fogbell_local.client.problems import ClientError, reporting

Json = dict[str, Any]

_DEVICE = "fcm:"


def send(
    to: Annotated[
        list[str] | None,
        typer.Option(help="An e-mail address, a number (+44...), fcm:TOKEN; repeatable."),
    ] = None,
    recipient: Annotated[
        list[str] | None, typer.Option(help="The id of a recipient; repeatable.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Everybody in a group; repeatable.")
    ] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(help="email, webhook, inbox, ...; repeatable. [default: as --to is]"),
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Subject or title.")] = None,
    text: Annotated[str | None, typer.Option(help="The text; Liquid.")] = None,
    html: Annotated[str | None, typer.Option(help="An HTML body for e-mail; Liquid.")] = None,
    template: Annotated[str | None, typer.Option(help="A template instead of a text.")] = None,
    data: Annotated[str | None, typer.Option(help="A JSON object that templates read.")] = None,
    lane: Annotated[str | None, typer.Option(help="transactional or bulk.")] = None,
    send_at: Annotated[str | None, typer.Option(help="Not before: RFC 3339 with offset.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key never sends twice. [default: a fresh one]")
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Post one notification and print its id."""
    with reporting():
        channels = channel or channels_of(to or [])
        body: Json = {
            "audience": audience(to or [], recipient or [], group or []),
            "channels": channels,
        }
        body |= said(channels, template, subject, text, html)
        given = {"data": parsed_data(data), "lane": lane, "send_at": send_at}
        body |= {name: value for name, value in given.items() if value is not None}
        with connect(url, api_key) as fogbell:
            # What is wrong with the rest, intake says.
            answer = fogbell.post(cast("NotificationBody", body), idempotency_key=idempotency_key)
    if as_json:
        print_json(answer)
    else:
        typer.echo(answer["id"])


def audience(to: list[str], recipients: list[str], groups: list[str]) -> Json:
    """The audience of a post. Raises ClientError where nobody is named."""
    if not (to or recipients or groups):
        raise ClientError("to whom? Give --to ADDRESS, --recipient ID or --group NAME")
    parts = {
        "addresses": people(to),
        "recipients": recipients,
        "groups": groups,
    }
    return {name: part for name, part in parts.items() if part}


def address(word: str) -> Json:
    """The address that one ``--to`` names: a number starts with +, a device with ``fcm:``.

    Raises ClientError where it is none of them: intake would speak of e-mail alone.
    """
    if word.startswith("+"):
        return {"sms": word}
    if word.startswith(_DEVICE):
        return {"push": [{"provider": "fcm", "token": word.removeprefix(_DEVICE)}]}
    if "@" not in word:
        raise ClientError(
            f"--to {word}: expected an e-mail address, a number such as +447700900123, or"
            " fcm:TOKEN. For somebody in the directory give --recipient ID"
        )
    return {"email": word}


def people(to: list[str]) -> list[Json]:
    """Whom ``to`` names: a number behind a mailbox is the same person's, a second mailbox is not.

    Apart, each would be skipped on the other's channel.
    """
    found: list[Json] = []
    for word in to:
        part = address(word)
        person = next((known for known in found if not known.keys() & part.keys()), None)
        if person is None:
            found.append(part)
        else:
            person.update(part)
    return found


def channels_of(to: list[str]) -> list[str]:
    """The channels that the addresses of ``to`` are of; e-mail where there are none.

    Raises ClientError as `address` does.
    """
    return list(dict.fromkeys(name for word in to for name in address(word))) or ["email"]


def said(
    channels: list[str], template: str | None, subject: str | None, text: str | None,
    html: str | None,
) -> Json:  # fmt: skip
    """``template`` or ``content`` of a post. Raises ClientError where there is neither or both."""
    texts = (subject, text, html)
    if template is not None:
        if any(texts):
            raise ClientError("give either --template, or --subject and --text, not both")
        return {"template": template}
    if not any(texts):
        raise ClientError("say what? Give --subject and --text, or --template NAME")
    return {"content": {name: part(name, subject, text, html) for name in channels}}


def part(channel: str, subject: str | None, text: str | None, html: str | None) -> Json:
    """One channel's content from the same few words; what is missing, intake names."""
    parts: dict[str, Json] = {
        "email": {"subject": subject, "text": text, "html": html},
        "sms": {"text": text or subject},
        "push": {"title": subject or text, "body": text if subject else None},
        "webhook": {"type": "message", "data": {"subject": subject, "text": text}},
        "apprise": {"title": subject if text else None, "body": text or subject},
        "inbox": {"title": subject or text, "body": text if subject else None},
    }
    if channel not in parts:
        raise ClientError(f"there is no channel {channel!r}; there are {', '.join(parts)}")
    return {name: value for name, value in parts[channel].items() if value is not None}


def parsed_data(text: str | None) -> Json | None:
    """What ``--data`` holds. Raises ClientError."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ClientError(f"--data is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ClientError('--data: expected an object, such as \'{"order": "A-1"}\'')
    return value
