"""Verifies erasure receipts as a client does."""

import hashlib
import json
from typing import Any


def digest_of_answer(receipt: dict[str, Any]) -> str:
    """The SHA-256 of the other fields of a receipt, as `docs/store.md` describes it."""
    fields = {
        name: value.replace("Z", "+00:00") if value and name.endswith(("_at", "_by")) else value
        for name, value in receipt.items()
        if name != "digest"
    }
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
