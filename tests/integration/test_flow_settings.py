"""Wrong settings end a process before it takes work: it names the variable and keeps secrets."""

import asyncio
import os
import sys

import pytest

SECRET = "hunter2-secret"
RIGHT = {
    "FOGBELL_MONGODB_URI": f"mongodb://fogbell:{SECRET}@127.0.0.1:1/?replicaSet=rs0",
    "FOGBELL_RABBITMQ_URI": f"amqp://fogbell:{SECRET}@127.0.0.1:1/",
    "FOGBELL_EMAIL__URL": f"smtp://fogbell:{SECRET}@127.0.0.1:1",
    "FOGBELL_EMAIL__FROM_ADDRESS": "bell@example.org",
    "FOGBELL_BOOTSTRAP_API_KEY": "fbk_" + "k" * 40,
    "FOGBELL_INBOX_TOKEN_SECRET": SECRET + "s" * 43,
}
EXIT = {"intake": 2, "worker": 2, "retry": 42}

# What is changed (None: left out), and the variable that has to be named.
CASES = [
    ("intake", {"FOGBELL_MONGODB_URI": None}, "FOGBELL_MONGODB_URI"),
    ("worker", {"FOGBELL_RABBITMQ_URI": None}, "FOGBELL_RABBITMQ_URI"),
    ("retry", {"FOGBELL_RABBITMQ__PREFIX": "no spaces"}, "FOGBELL_RABBITMQ__PREFIX"),
    ("worker", {"FOGBELL_CHANNELS": "email,pigeon"}, "FOGBELL_CHANNELS"),
    ("worker", {"FOGBELL_EMAIL__URL": f"http://me:{SECRET}@relay"}, "FOGBELL_EMAIL__URL"),
    ("worker", {"FOGBELL_PROTOCOL__LEASE_SECONDS": "20"}, "FOGBELL_PROTOCOL__LEASE_SECONDS"),
    ("worker", {"FOGBELL_BULK__SLOTS": "0"}, "FOGBELL_BULK__SLOTS"),
    ("intake", {"FOGBELL_INBOX_TOKEN_SECRET": SECRET}, "FOGBELL_INBOX_TOKEN_SECRET"),
    ("retry", {"FOGBELL_SWEEP__INTERVAL_SECONDS": "15"}, "FOGBELL_SWEEP__INTERVAL_SECONDS"),
]


def _name(case: object) -> str | None:
    if isinstance(case, dict):
        return ",".join(f"{name.removeprefix('FOGBELL_')}={value}" for name, value in case.items())
    return None


@pytest.mark.parametrize(("component", "changes", "named"), CASES, ids=_name)
async def test_a_wrong_setting_is_named_and_ends_the_process(
    component: str, changes: dict[str, str | None], named: str
) -> None:
    settings = {name: value for name, value in (RIGHT | changes).items() if value is not None}
    own = {k: v for k, v in os.environ.items() if not k.startswith("FOGBELL_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"fogbell_{component}"),
        env=own | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = (part.decode() for part in await process.communicate())
    assert process.returncode == EXIT[component], err
    (said,) = [line for line in err.splitlines() if named in line]
    assert "is not set" in said or "expected" in said or "should" in said
    assert SECRET not in out + err
    # It has not got as far as its log, so it has opened nothing.
    assert '"event"' not in err
