"""``helm test``: post a notification and wait for its delivery. Standard library alone.

Environment: URL, API_KEY, EMAIL (an address or nothing), TIMEOUT (seconds).
Exits 1 with a sentence.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

URL, KEY = os.environ["URL"], os.environ["API_KEY"]
PAUSE = 0.5


def call(method: str, path: str, body: object = None) -> Any:
    """Ask intake. Raises URLError; a refusal is an HTTPError, a kind of it."""
    request = urllib.request.Request(  # noqa: S310 - the address is the chart's own
        URL + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        text = answer.read()
    return json.loads(text) if text else None


def patiently(deadline: float, method: str, path: str, body: object = None) -> Any:
    """The same, again while intake is not there or says that it cannot (503)."""
    while True:
        try:
            return call(method, path, body)
        except urllib.error.HTTPError as error:
            if error.code == 404 and method == "DELETE":
                return None  # an answer that was lost had done it
            if error.code != 503 or time.monotonic() > deadline:
                fail(f"{method} {path} was answered {error.code}: {error.read().decode()[:500]}")
        except OSError as error:
            if time.monotonic() > deadline:
                fail(f"{URL} is not reached: {error}")
        time.sleep(PAUSE)  # who is not there cannot tell when he is


def fail(sentence: str) -> None:
    """End the test. The sentence is told at once: what is done at the end may fail, too."""
    sys.stderr.write(f"helm test: {sentence}\n")
    sys.exit(1)


def notification(email: str, recipient: str) -> dict[str, object]:
    """What is posted: an inbox item, and a mail where an address is given."""
    content: dict[str, object] = {"inbox": {"title": "helm test"}}
    if email:
        content["email"] = {"subject": "helm test", "text": "Fogbell delivers."}
    return {
        "audience": {"recipients": [recipient]},
        "channels": list(content),
        "content": content,
        "reference": recipient,
    }


def wait(path: str, deadline: float) -> None:
    """Until each delivery is delivered; the deadline is on the monotonic clock."""
    while True:
        found = patiently(deadline, "GET", path)
        expected, totals = found["expected"], found["totals"]
        if expected and totals["delivered"] == expected:
            sys.stdout.write(f"helm test: {expected} of {expected} delivered\n")
            return
        if totals["dead"] or totals["skipped"] or time.monotonic() > deadline:
            deliveries = call("GET", f"{path}/deliveries")["items"]
            shown = [{k: d[k] for k in ("channel", "status", "reason")} for d in deliveries]
            fail(f"expected {expected} delivered, found {json.dumps(shown)}")
        time.sleep(PAUSE)  # the interface has no stream of totals


def main() -> None:
    """One recipient, one notification."""
    deadline = time.monotonic() + float(os.environ["TIMEOUT"])
    email, recipient = os.environ.get("EMAIL", ""), f"helm-test-{uuid.uuid4().hex[:12]}"
    addresses = {"email": email} if email else {}
    path = f"/v1/recipients/{recipient}"
    patiently(deadline, "PUT", path, {"addresses": addresses})
    try:
        posted = patiently(deadline, "POST", "/v1/notifications", notification(email, recipient))
        wait(posted["links"]["self"], deadline)
    finally:
        patiently(deadline, "DELETE", path)


if __name__ == "__main__":
    main()
