import json

from promptflow.core import tool

CATEGORIES = {"shop", "news", "recipe", "other"}


@tool
def parse(answer: str) -> dict:
    try:
        found = json.loads(answer)
    except ValueError:
        found = {}
    if not isinstance(found, dict) or found.get("category") not in CATEGORIES:
        return {"category": "other", "evidence": "none"}
    return {"category": found["category"], "evidence": found.get("evidence", "none")}
