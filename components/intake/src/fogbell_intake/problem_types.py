"""Every kind of problem that intake answers with. Codes are stable: clients branch on them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemType:
    """``code`` names it, ``explanation`` is the page served under ``/problems/{code}``."""

    code: str
    title: str
    status: int
    explanation: str


TYPES: dict[str, ProblemType] = {}


def _type(code: str, title: str, status: int, explanation: str) -> ProblemType:
    return TYPES.setdefault(code, ProblemType(code, title, status, explanation))


MALFORMED_JSON = _type(
    "malformed-json",
    "The body is not JSON that Fogbell reads",
    400,
    "The body must be one JSON text (RFC 8259) in UTF-8. Refused as well, because readers disagree "
    "on what they mean: NaN and Infinity, a name that stands twice in one object, names that start "
    "with $ or hold a NUL, half a surrogate pair, integers beyond 64 bits, numbers beyond a "
    "double, and more than 32 arrays and objects within each other.",
)
MALFORMED_REQUEST = _type(
    "malformed-request",
    "The request cannot be read",
    400,
    "The request breaks HTTP's own rules, for example a Content-Length that is not a number.",
)
UNAUTHENTICATED = _type(
    "unauthenticated",
    "An API key is needed",
    401,
    "Send the header 'Authorization: Bearer fbk_...'. A key with the scope 'manage' creates others "
    "by POST /v1/api-keys. For the inbox it is a recipient's token, made by "
    "POST /v1/recipients/{id}/tokens.",
)
INVALID_KEY = _type(
    "invalid-api-key",
    "The API key is not valid",
    401,
    "No key like this exists: it was mistyped, cut short or deleted. Keys are shown once, when "
    "they are created, and only their hash is kept.",
)
EXPIRED_KEY = _type(
    "expired-api-key",
    "The API key has expired",
    401,
    "Its expires_at has passed. Create another; ids of notifications derive from the app and the "
    "Idempotency-Key, so a new key of the same app goes on where the old one stopped.",
)
INVALID_TOKEN = _type(
    "invalid-token",
    "The recipient's token is not valid",
    401,
    "Tokens are signed and last an hour. Ask your own server for a new one; it makes it by "
    "POST /v1/recipients/{id}/tokens with a key of scope 'inbox'.",
)
EXPIRED_TOKEN = _type(
    "expired-token",
    "The recipient's token has expired",
    401,
    "It was valid until its expires_at. Ask your own server for a new one, and resume a stream "
    "with the last event's id: nothing is missed.",
)
MISSING_SCOPE = _type(
    "missing-scope",
    "The API key lacks a scope",
    403,
    "Each route asks for one scope: 'send' posts, cancels and replays notifications, 'read' reads, "
    "'manage' changes the directory, templates, suppressions and keys, 'inbox' makes recipients' "
    "tokens. Scopes of a key do not change; create another key.",
)
NOT_FOUND = _type(
    "not-found",
    "There is nothing here",
    404,
    "No route has this path, or nothing with this id exists (any more: deliveries are deleted 30 "
    "days after their notification settled, notifications after 90, unless set otherwise).",
)
METHOD_NOT_ALLOWED = _type(
    "method-not-allowed",
    "The path does not take this method",
    405,
    "The header Allow lists the methods that it takes. HEAD is taken wherever GET is.",
)
NOT_REPLAYABLE = _type(
    "not-replayable",
    "The notification cannot be replayed now",
    409,
    "A notification is replayed once it is expanded, as long as its deliveries are kept, and until "
    "it expires. One that was cancelled is replayed only with 'cancelled' in 'status', and once "
    "all of it is settled. One replay is done at a time. The detail says which it is.",
)
TOO_MANY_ENDPOINTS = _type(
    "too-many-endpoints",
    "The app has as many endpoints as it may",
    409,
    "An app has at most 10 endpoints, those that are disabled included. GET /v1/endpoints lists "
    "them; delete one first. One endpoint can be told of every event.",
)
REQUEST_TIMEOUT = _type(
    "request-timeout",
    "The body did not arrive in time",
    408,
    "A JSON body has 30 seconds to arrive; an import may not pause for more than a minute. What an "
    "import has read before is imported.",
)
TOO_LARGE = _type(
    "too-large",
    "The body is too large",
    413,
    "A JSON body has at most 1,000,000 bytes. Post to groups instead of naming everybody, and "
    "bring recipients in by POST /v1/recipients/import, which has no limit.",
)
UNSUPPORTED_MEDIA_TYPE = _type(
    "unsupported-media-type",
    "The body has another content type than expected",
    415,
    "Bodies are 'application/json', in UTF-8; imports are 'application/x-ndjson' or 'text/csv'. "
    "Compressed bodies are not read.",
)
INVALID_BODY = _type(
    "invalid-body",
    "The body says something that cannot be",
    422,
    "The body is JSON, but not of the shape that this route takes. Each error has a JSON pointer "
    "to the place. Unknown fields are errors as well, so that a misspelt one is noticed. Nothing "
    "has been stored.",
)
INVALID_PARAMETER = _type(
    "invalid-parameter",
    "A parameter of the query or a header is wrong",
    422,
    "Each error names the parameter and what was expected. 'after' takes what an answer's 'next' "
    "gave, as it stands.",
)
UNKNOWN_RECIPIENT = _type(
    "unknown-recipient",
    "Unknown recipient",
    422,
    "The audience names a recipient who is not in the directory. PUT /v1/recipients/{id} first, "
    "or give the address in 'audience.addresses'. Nothing has been sent to anybody.",
)
UNKNOWN_TEMPLATE = _type(
    "unknown-template",
    "Unknown template",
    422,
    "No template, or no version of it, has this name. PUT /v1/templates/{name} creates one.",
)
MISSING_CHANNEL = _type(
    "missing-channel",
    "The template or content lacks a channel",
    422,
    "Every channel that a notification asks for needs its part in the template (in its default "
    "locale) or in the content.",
)
TEMPLATE_SYNTAX = _type(
    "template-syntax",
    "The template is not valid Liquid",
    422,
    "Templates are Liquid. Each error points to the field and says what is wrong with it. Tags "
    "that read files, and ranges outside 'for', are not allowed.",
)
TEMPLATE_FAILED = _type(
    "template-failed",
    "The template cannot be rendered",
    422,
    "Rendering took too long, grew too large, or gave something that its channel cannot carry, "
    "such as a line break in a subject.",
)
MISSING_VARIABLE = _type(
    "missing-variable",
    "The template uses variables that are not there",
    422,
    "A preview treats an unknown variable as an error and names each; when sending, it is an empty "
    "text, counted by fogbell_template_unknown_variables_total. Names are data.*, recipient.* and "
    "notification.id; {{ data.x | default: '...' }} says that it may be absent.",
)
BULK_ONLY = _type(
    "bulk-only",
    "This audience is for the bulk lane",
    422,
    "Groups, 'match' and more than 100 people are bulk, so that a campaign never delays a password "
    "reset. Leave 'lane' out or set it to 'bulk'.",
)
IDEMPOTENCY_MISMATCH = _type(
    "idempotency-mismatch",
    "The Idempotency-Key was used with another body",
    422,
    "A key stands for one body. Repeat the same body to get the stored answer, or take a new key "
    "for a new notification. The window is as long as notifications are kept.",
)
INVALID_IMPORT = _type(
    "invalid-import",
    "The import cannot be started",
    422,
    "The CSV header names columns that are missing, unknown or there twice. Columns: id, email, "
    "sms, webhook_url, apprise_url, locale, time_zone, groups (separated by ;) and "
    "attributes.NAME. Nothing has been imported.",
)
RATE_LIMITED = _type(
    "rate-limited",
    "Too many requests",
    429,
    "The key has used up its requests per second. Wait as long as Retry-After says.",
)
TOO_MANY_STREAMS = _type(
    "too-many-streams",
    "Too many inbox streams are open",
    429,
    "A recipient may have 20 streams open at one process and a process 5,000, unless set "
    "otherwise. Close those that nobody looks at, or repeat the request after Retry-After.",
)
INTERNAL = _type(
    "internal",
    "Fogbell failed",
    500,
    "This is a defect of Fogbell, not of the request. The log has more under the request_id. A "
    "post with an Idempotency-Key can be repeated safely.",
)
UNAVAILABLE = _type(
    "unavailable",
    "MongoDB is not available at present",
    503,
    "Nothing is answered before it is stored, and it cannot be stored now. Repeat the request "
    "after Retry-After; with an Idempotency-Key that is safe even if it had been stored.",
)
