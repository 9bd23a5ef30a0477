"""The sink, spoken to over real connections."""

import asyncio
import smtplib
import uuid
from email.message import EmailMessage

import aiosmtplib
import httpx2
import pytest

from fogbell_local.sink import Behaviour, Outcome, SinkServer

ENVELOPE = b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n"


def _mail(delivery: str, text: str = "Hello") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@x.test", "b@x.test", "Hi"
    mail["Message-ID"] = f"<{delivery}@x.test>"
    mail.set_content(text)
    return mail


def _send(sink: SinkServer, *mails: EmailMessage) -> None:
    with smtplib.SMTP(sink.host, sink.smtp_port) as client:
        for mail in mails:
            client.send_message(mail)


def test_every_mail_of_a_connection_is_in_the_ledger(mail_sink: SinkServer) -> None:
    deliveries = [str(uuid.uuid4()) for _ in range(20)]
    _send(mail_sink, *map(_mail, deliveries))
    entries = mail_sink.entries()
    assert [entry.delivery for entry in entries] == deliveries
    assert {entry.outcome for entry in entries} == {Outcome.ACCEPTED}
    assert entries[0].message_id == f"<{deliveries[0]}@x.test>"
    assert entries[0].to == ("b@x.test",)


def test_the_size_is_that_of_the_message_without_dot_stuffing(mail_sink: SinkServer) -> None:
    mail = _mail("d", ".leading\n..two\nnone\n.")
    _send(mail_sink, mail)
    assert mail_sink.entries()[0].size == len(mail.as_bytes().replace(b"\n", b"\r\n"))


def test_a_refused_mail_is_accepted_the_second_time_also_after_a_restart(
    mail_sink: SinkServer,
) -> None:
    mail_sink.restart(Behaviour(refuse_fraction=1.0))
    with pytest.raises(smtplib.SMTPDataError) as refusal:
        _send(mail_sink, _mail("d"))
    assert refusal.value.smtp_code == 451
    assert refusal.value.smtp_error == b"4.7.1 Greylisted, try again"
    mail_sink.kill()
    mail_sink.restart()
    _send(mail_sink, _mail("d"))
    answers = [(entry.outcome, entry.code) for entry in mail_sink.entries()]
    assert answers == [(Outcome.REFUSED, 451), (Outcome.ACCEPTED, 250)]


async def test_pipelined_transactions_are_answered_in_order(mail_sink: SinkServer) -> None:
    reader, writer = await asyncio.open_connection(mail_sink.host, mail_sink.smtp_port)
    message = b"Message-ID:\r\n <d@x.test>\r\n\r\n..\r\n.\r\n"
    writer.write(b"HELO x\r\n" + 2 * (ENVELOPE + message) + b"MAIL\r\nWHAT\r\nQUIT\r\n")
    codes = [line[:3] for line in (await reader.read()).splitlines()]
    transaction = [b"250", b"250", b"354", b"250"]
    assert codes == [b"220", b"250", *transaction, *transaction, b"501", b"502", b"221"]
    writer.close()
    await writer.wait_closed()
    assert [entry.delivery for entry in mail_sink.entries()] == ["d", "d"]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"DATA\r\n", b"503"),
        (b"RCPT TO:<a@x.test>\r\n", b"503"),
        (ENVELOPE + b"a bare\nline feed\r\n.\r\n", b"554"),
        (b"x" * 5000, b"421"),
    ],
)
async def test_a_client_that_breaks_the_protocol_is_told(
    mail_sink: SinkServer, said: bytes, code: bytes
) -> None:
    reader, writer = await asyncio.open_connection(mail_sink.host, mail_sink.smtp_port)
    writer.write(said + (b"QUIT\r\n" if said.endswith(b"\n") else b""))
    assert code in [line[:3] for line in (await reader.read()).splitlines()]
    writer.close()
    await writer.wait_closed()
    assert mail_sink.entries() == []


async def test_whatever_a_killed_sink_said_yes_to_is_in_its_ledger(mail_sink: SinkServer) -> None:
    accepted: set[str] = set()
    some = asyncio.Event()

    async def client() -> None:
        smtp = aiosmtplib.SMTP(hostname=mail_sink.host, port=mail_sink.smtp_port)
        await smtp.connect()
        while True:
            mail = _mail(str(uuid.uuid4()))
            await smtp.send_message(mail)
            accepted.add(str(mail["Message-ID"])[1:].partition("@")[0])
            if len(accepted) > 200:
                some.set()

    clients = [asyncio.create_task(client()) for _ in range(8)]
    await asyncio.wait_for(some.wait(), 30)
    mail_sink.kill()
    ends = await asyncio.gather(*clients, return_exceptions=True)
    assert all(isinstance(end, aiosmtplib.SMTPException | OSError) for end in ends)
    assert accepted <= {entry.delivery for entry in mail_sink.entries()}


async def test_webhooks_are_answered_as_their_path_asks(mail_sink: SinkServer) -> None:
    async with httpx2.AsyncClient(base_url=mail_sink.webhook_url, trust_env=False) as client:

        async def post(path: str, delivery: str) -> httpx2.Response:
            return await client.post(path, headers={"webhook-id": delivery}, content=b"{}")

        assert (await post("/in?x=1", "a")).status_code == 200
        first = await post("/unavailable/b", "b")
        assert (first.status_code, first.headers["retry-after"]) == (503, "2")
        assert (await post("/unavailable/b", "b")).status_code == 200
        assert (await post("/gone", "c")).status_code == 410
        assert (await client.post("/in")).status_code == 400
        assert (await client.get("/in")).status_code == 405
    assert [(e.delivery, e.path, str(e.outcome), e.code) for e in mail_sink.entries()] == [
        ("a", "/in", "accepted", 200),
        ("b", "/unavailable/b", "refused", 503),
        ("b", "/unavailable/b", "accepted", 200),
        ("c", "/gone", "refused", 410),
    ]


def test_what_is_cut_is_in_the_ledger_and_was_never_answered(mail_sink: SinkServer) -> None:
    mail_sink.restart(Behaviour(cut_fraction=1.0))
    with pytest.raises(smtplib.SMTPServerDisconnected):
        _send(mail_sink, _mail("d"))
    with pytest.raises(httpx2.RemoteProtocolError):
        _post_hook(mail_sink, "h")
    entries = mail_sink.entries()
    assert [entry.delivery for entry in entries] == ["d", "h"]
    assert {entry.outcome for entry in entries} == {Outcome.ACCEPTED}


def test_what_meets_silence_is_not_in_the_ledger(mail_sink: SinkServer) -> None:
    mail_sink.restart(Behaviour(silent_fraction=1.0))
    with pytest.raises(httpx2.ReadTimeout):
        _post_hook(mail_sink, "h", within=1)
    client = smtplib.SMTP(mail_sink.host, mail_sink.smtp_port, timeout=1)
    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        client.send_message(_mail("d"))
    client.close()
    assert mail_sink.entries() == []


def test_a_fraction_of_webhooks_is_unavailable_once_each(mail_sink: SinkServer) -> None:
    mail_sink.restart(Behaviour(webhook_fraction=1.0))
    first, second = _post_hook(mail_sink, "h"), _post_hook(mail_sink, "h")
    assert (first.status_code, second.status_code) == (503, 200)
    assert first.headers["Retry-After"] == "2"


def _post_hook(sink: SinkServer, delivery: str, within: float = 10) -> httpx2.Response:
    with httpx2.Client(trust_env=False, timeout=within) as client:
        return client.post(f"{sink.webhook_url}/ok", headers={"webhook-id": delivery})
