"""The sender's own webhooks, as functions that build requests. See `calls`."""

from fogbell_client.bodies import EndpointBody
from fogbell_client.call import Call, Id, encode, path, query
from fogbell_client.calls import JSON
from fogbell_client.documents import Endpoint, NewEndpoint, Page
from fogbell_client.retrying import Repeat


def create_endpoint(body: EndpointBody) -> Call[NewEndpoint]:
    """Have your own webhook told what settled; its secret is in this answer and never again."""
    content, repeat = encode(body), Repeat.WITHOUT_EFFECT
    return Call("POST", path("endpoints"), headers=JSON, content=content, repeat=repeat)


def endpoints(*, page_size: int | None = None) -> Call[Page[Endpoint]]:
    """The endpoints of the key's app, without their secrets."""
    return Call("GET", path("endpoints"), query(limit=page_size))


def endpoint(endpoint_id: Id) -> Call[Endpoint]:
    """An endpoint of the key's app, without its secret."""
    return Call("GET", path("endpoints", endpoint_id))


def delete_endpoint(endpoint_id: Id) -> Call[None]:
    """Delete an endpoint of the key's app: nothing more is sent there."""
    return Call("DELETE", path("endpoints", endpoint_id))
