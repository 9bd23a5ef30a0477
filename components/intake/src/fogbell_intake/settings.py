"""What intake can be told, by environment variables that start with ``FOGBELL_``."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from fogbell.model.api_key import API_KEY
from fogbell_intake.inbox_settings import InboxSettings
from fogbell_intake.tokens import TokenSecret


def _check_key(value: SecretStr) -> SecretStr:
    if not API_KEY.fullmatch(value.get_secret_value()):
        raise ValueError("expected fbk_ and at least 32 characters of A-Z a-z 0-9 _ -")
    return value


class IntakeSettings(BaseSettings):
    """Settings of the intake component."""

    model_config = SettingsConfigDict(env_prefix="FOGBELL_", env_nested_delimiter="__")

    mongodb_uri: SecretStr = SecretStr("mongodb://127.0.0.1:27017/?replicaSet=rs0")
    database: str = "fogbell"
    rabbitmq_uri: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1:5672/")
    queue_prefix: str = "fogbell."

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    bootstrap_api_key: Annotated[SecretStr, AfterValidator(_check_key)] | None = None
    bootstrap_app: str = Field(default="bootstrap", min_length=1, max_length=128)
    requests_per_second: float | None = Field(default=None, gt=0)
    access_log: bool = True

    inbox_token_secret: TokenSecret
    inbox: InboxSettings = InboxSettings()
