"""Post a notification, wait until it is settled, and print what became of it.

    FOGBELL_URL=http://127.0.0.1:8080 FOGBELL_API_KEY=fbk_... python first.py

Both are printed by `make up`. The package is `fogbell-client`.
"""

import os
import time

from fogbell_client import Fogbell, ProblemError


def main() -> None:
    with Fogbell(os.environ["FOGBELL_URL"], os.environ["FOGBELL_API_KEY"]) as fogbell:
        fogbell.put_recipient(
            "pia",
            {"addresses": {"email": "pia@example.org"}, "attributes": {"first_name": "Pia"}},
        )
        accepted = fogbell.post(
            {
                "audience": {"recipients": ["pia"]},
                "channels": ["email", "inbox"],
                "content": {
                    "email": {
                        "subject": "Order {{ data.order }}",
                        "text": "Hello {{ recipient.attributes.first_name }}, it is on its way.",
                    },
                    "inbox": {"title": "Order {{ data.order }} is on its way"},
                },
                "data": {"order": "A-1"},
            },
            # Yours: the same post under the same key is never sent twice.
            idempotency_key="pia-order-A-1",
        )
        while fogbell.notification(accepted["id"])["status"] != "settled":
            time.sleep(0.5)
        for delivery in fogbell.deliveries(accepted["id"]):
            print(delivery["channel"], delivery["status"])

        try:
            fogbell.recipient("nobody")
        except ProblemError as problem:
            print(problem.status, problem.code)


if __name__ == "__main__":
    main()
