"""What the mails of the benches say: about 2 kB, text and HTML, with the recipient's name."""

from typing import Any

SUBJECT = "Fog tonight, {{ recipient.attributes.first_name }}"
_LINE = "The bell will ring when the fog comes in over the harbour, and again once it has lifted."
TEXT = "Dear {{ recipient.attributes.first_name }},\n\n" + "\n".join([_LINE] * 8) + "\n"
HTML = (
    "<html><body><p>Dear <b>{{ recipient.attributes.first_name }}</b>,</p>\n"
    + "\n".join([f"<p>{_LINE}</p>"] * 8)
    + "\n</body></html>\n"
)
MAIL: dict[str, Any] = {"email": {"subject": SUBJECT, "text": TEXT, "html": HTML}}
