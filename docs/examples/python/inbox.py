"""Follow a user's inbox live, and mark what comes as read: with asyncio.

FOGBELL_URL=http://127.0.0.1:8080 FOGBELL_API_KEY=fbk_... python inbox.py
"""

import asyncio
import os

from fogbell_client import AsyncFogbell, AsyncInbox, InboxStream


async def main() -> None:
    url = os.environ["FOGBELL_URL"]
    # Your server, with an API key: it makes the token, and posts.
    async with AsyncFogbell(url, os.environ["FOGBELL_API_KEY"]) as fogbell:
        await fogbell.put_recipient("ray", {})
        token = (await fogbell.create_inbox_token("ray"))["token"]
        # Ray's app, with the token alone. The stream shows items from now on.
        async with AsyncInbox(url, token) as inbox:
            stream = inbox.stream()
            posting = asyncio.create_task(post(fogbell, stream))
            async for item in stream:
                await inbox.mark_read(item["id"])
                print(item["title"])
                if item["title"] == "Third bell":
                    break
            await posting
            print("unread:", len([item async for item in inbox.items(unread=True)]))


async def post(fogbell: AsyncFogbell, stream: InboxStream) -> None:
    while stream.last_event_id is None:  # it is not open yet, and would not show what came before
        await asyncio.sleep(0.05)
    for count in ("First", "Second", "Third"):
        await fogbell.post(
            {
                "audience": {"recipients": ["ray"]},
                "channels": ["inbox"],
                "content": {"inbox": {"title": f"{count} bell"}},
            }
        )


if __name__ == "__main__":
    asyncio.run(main())
