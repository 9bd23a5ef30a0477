"""The sink's providers: SMS gateways and FCM on one port, told apart by their path's first part.

``/gateway-a/2010-04-01/Accounts/...`` and ``/gateway-b/2010-04-01/Accounts/...`` are two gateways.
Any name serves: it is what the ledger calls the provider.
"""

import re

from fogbell_local.sink import push, sms
from fogbell_local.sink.answering import Answering
from fogbell_local.sink.http import Reply, Request, json_reply
from fogbell_local.sink.push import TokenServer

_PATHS = re.compile(
    r"/(?P<provider>[a-z][a-z0-9_-]{0,31})"
    r"(/2010-04-01/Accounts/(?P<account>[^/]+)/Messages\.json"
    r"|/v1/projects/(?P<project>[^/]+)/messages:send"
    r"|/(?P<tokens>token))"
)


async def answer(answering: Answering, tokens: TokenServer, request: Request) -> Reply:
    """Answer one request."""
    found = _PATHS.fullmatch(request.path)
    if found is None:
        return json_reply(404, {"message": "no provider has this path", "status": 404})
    if request.method != "POST":
        return Reply(405, (("Allow", "POST"),))
    provider = found["provider"]
    if found["account"] is not None:
        return await sms.answer(answering, provider, found["account"], request)
    if found["project"] is not None:
        return await push.answer(answering, tokens, provider, found["project"], request)
    return tokens.answer(request)
