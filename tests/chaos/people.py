"""Who is in the directory: a group that bulk and campaigns go to."""

from dataclasses import dataclass

GROUP = "readers"


@dataclass(frozen=True, slots=True)
class People:
    """``number`` people, each with an e-mail address and a webhook at the sink."""

    number: int
    webhook_url: str

    @property
    def names(self) -> list[str]:
        """Their ids."""
        return [f"reader{n:05d}" for n in range(self.number)]

    def csv(self) -> bytes:
        """As they are imported."""
        rows = [
            f"{name},{name}@example.org,{self.webhook_url}/ok/{name},{GROUP}" for name in self.names
        ]
        return "\n".join(["id,email,webhook_url,groups", *rows, ""]).encode()
