"""What texts in records and manifests must look like, and the JSON schemas that say so to other programs."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import msgspec

SUBMISSION = "[a-z0-9][a-z0-9-]{0,39}"
"""What a submission may be called: small letters, digits and hyphens."""


def is_submission_name(name: str) -> bool:
    """Whether a submission may be called so: never like the reference, also with a hyphen or 3 for e."""
    plain = name.replace("-", "").replace("3", "e")
    return re.fullmatch(SUBMISSION, name) is not None and plain != "reference"


def json_schema(kind: type) -> dict[str, Any]:
    """The format of a kind of file as a JSON schema (2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_for_others(msgspec.json.schema(kind))}


def print_schema(kind: type) -> None:
    """Print the JSON schema of a kind of file, as docs/reference keeps it."""
    sys.stdout.write(json.dumps(json_schema(kind), indent=2, sort_keys=True) + "\n")


def _for_others(schema: Any) -> Any:
    r"""Patterns as JSON schemas have them, where `$` is what Python calls `\Z`: the end, with no line end before it."""
    if isinstance(schema, list):
        return [_for_others(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: item.replace(r"\Z", "$") if key == "pattern" and isinstance(item, str) else _for_others(item)
        for key, item in schema.items()
    }
