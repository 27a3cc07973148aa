"""Generate the JSON schema of ``submission.json`` from its typed records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from microbench_tasks.submissions.manifest_model import Manifest

SCHEMA_FILE = Path(__file__).with_name("submission_schema.json")


class _SchemaGenerator(GenerateJsonSchema):
    """State conditions on the keys of objects, and leave out titles and defaults, which say nothing here."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        generated: JsonSchemaValue = {"type": "object"}
        # JSON allows only texts as keys.
        if keys := self._key_conditions(schema.get("keys_schema")):
            generated["propertyNames"] = keys
        if values := self.generate_inner(schema["values_schema"]):
            generated["additionalProperties"] = values
        self.update_with_validations(generated, schema, self.ValidationsMapping.object)
        return generated

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        generated = super().model_schema(schema)
        generated.pop("title", None)
        fields = schema["schema"]
        if fields["type"] == "model-fields" and (keys := self._key_conditions(fields.get("extras_keys_schema"))):
            generated["propertyNames"] = keys
        return generated

    def _key_conditions(self, keys: core_schema.CoreSchema | None) -> JsonSchemaValue:
        conditions = self.generate_inner(keys) if keys else {}
        return {name: value for name, value in conditions.items() if name != "type"}


def build_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of ``submission.json``."""
    schema = Manifest.model_json_schema(schema_generator=_SchemaGenerator)
    return {"$schema": _SchemaGenerator.schema_dialect, "title": Manifest.TITLE} | schema


def format_schema() -> str:
    """Return the text of ``submission_schema.json``."""
    return json.dumps(build_schema(), indent=1, ensure_ascii=False) + "\n"
