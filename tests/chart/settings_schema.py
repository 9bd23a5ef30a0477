"""Which FOGBELL_ variables the chart's `settings` take: written into values.schema.json.

``python -m tests.chart.settings_schema`` writes them anew; a test holds the file to the classes.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, create_model
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode

from fogbell.settings import Settings
from fogbell_campaign.settings import CampaignSettings
from fogbell_intake.settings import IntakeSettings
from fogbell_operator.settings import OperatorComponentSettings
from fogbell_retry.settings import RetryComponentSettings
from fogbell_worker.providers.kinds import load_kind
from fogbell_worker.settings import WorkerSettings

SCHEMA = Path(__file__).parents[2] / "charts" / "fogbell" / "values.schema.json"
COMPONENTS: dict[str, type[Settings]] = {
    "intake": IntakeSettings,
    "worker": WorkerSettings,
    "retry": RetryComponentSettings,
    "operator": OperatorComponentSettings,
    "campaign": CampaignSettings,
}
KINDS = ("smtp", "twilio", "webhook", "apprise", "fcm", "webpush")

SET_BY_VALUES = {
    "FOGBELL_MONGODB__DATABASE": "mongodb.database",
    "FOGBELL_RABBITMQ__PREFIX": "rabbitmq.prefix",
    "FOGBELL_OFFERED_CHANNELS": "intake.offeredChannels",
    "FOGBELL_CHANNELS": "worker.pools.*.channels",
    "FOGBELL_LANES": "worker.pools.*.lanes",
    "FOGBELL_EXPAND": "worker.pools.*.expand",
    "FOGBELL_EMAIL__FROM_ADDRESS": "email.fromAddress",
}
"""Variables that have a value of their own in the chart."""

FIXED = {
    "FOGBELL_HTTP__HOST",
    "FOGBELL_HTTP__PORT",
    "FOGBELL_METRICS__PORT",
    "FOGBELL_JOB_NAME",
    "FOGBELL_TERMINATION_LOG",
    "FOGBELL_RUNNER__TEMPLATE_FILE",
    "FOGBELL_RUNNER__IMAGE",
    "FOGBELL_OPERATOR__NAMESPACE",
}
"""What a pod's own place decides: ports, names, files. So do all of FOGBELL_CAMPAIGN__."""

_KEPT = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern")


def variables(kind: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Every variable of a settings class; groups whose names users choose are left out."""
    for name, field in kind.model_fields.items():
        group = _model(field.annotation)
        if group is None and name != "provider":
            yield f"FOGBELL_{name.upper()}", field
        elif group is not None:
            for inner, inner_field in group.model_fields.items():
                yield f"FOGBELL_{name.upper()}__{inner.upper()}", inner_field


def is_secret(field: FieldInfo) -> bool:
    """Whether its value must not stand in a ConfigMap."""
    return "SecretStr" in repr(field.annotation) or "TokenSecret" in repr(field.annotation)


def is_open(name: str, field: FieldInfo) -> bool:
    """Whether it is set by the `settings` of the chart."""
    campaign = name.startswith("FOGBELL_CAMPAIGN__")
    return not (is_secret(field) or name in SET_BY_VALUES or name in FIXED or campaign)


def definitions() -> dict[str, Any]:
    """`commonSettings`, `intakeSettings` and so on."""
    common = _properties(Settings)
    found = {"commonSettings": _closed(common)}
    for component, kind in COMPONENTS.items():
        found[f"{component}Settings"] = _closed(_properties(kind))
    found["workerSettings"]["patternProperties"] = {_provider_pattern(): {"type": _SCALARS}}
    return found


_SCALARS = ["string", "number", "boolean", "array"]


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _properties(kind: type[Settings]) -> dict[str, Any]:
    return {name: _shape(field) for name, field in variables(kind) if is_open(name, field)}


def _shape(field: FieldInfo) -> dict[str, Any]:
    """What a value may be: its type and bounds. Words with commas are text; null leaves it out."""
    if any(item is NoDecode for item in field.metadata) or "NoDecode" in repr(field.annotation):
        return {"type": ["string", "null"]}
    value: Any = (field.annotation, field)
    model = create_model("Model", value=value)
    document = model.model_json_schema()
    shape = document["properties"]["value"]
    shape = next((s for s in shape.get("anyOf", ()) if s.get("type") != "null"), shape)
    if "$ref" in shape:
        shape = document["$defs"][shape["$ref"].rpartition("/")[2]]
    kept = {key: shape[key] for key in _KEPT if key in shape}
    if "type" not in kept:
        return {"type": ["string", "null"]}
    if kept["type"] == "array":
        kept["items"] = {"type": ["string", "integer"]}
    if "enum" in kept:
        kept["enum"] = [*kept["enum"], None]
    return {**kept, "type": [kept["type"], "null"]}


def _provider_pattern() -> str:
    """``FOGBELL_PROVIDER__<NAME>__<SETTING>`` for each setting of a built-in kind but secrets."""
    names = {"KIND"}
    for kind in KINDS:
        for name, field in load_kind(kind).settings.model_fields.items():
            if not is_secret(field) and name != "name":
                names.add(name.upper())
    return f"^FOGBELL_PROVIDER__[A-Z0-9_]+__({'|'.join(sorted(names))})$"


def _model(annotation: object) -> type[BaseModel] | None:
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def main() -> int:
    """Write the definitions into the schema."""
    schema = json.loads(SCHEMA.read_text())
    schema["definitions"].update(definitions())
    SCHEMA.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
