"""The built-in tool that searches the web by SerpApi (contract 3.10)."""
# ruff: noqa: PLR0917 - promptflow's signatures, which its messages about missing arguments repeat

from __future__ import annotations

import json

from yarl import URL

from pfserve.errors import RequestError, SystemFailure, UserError
from pfserve.llm.problems import masked
from pfserve.llm.tools.asking import Asking

SERVICE = "https://serpapi.com/search"

_FAILED = "SerpAPI search request failed: "


async def search(
    asking: Asking,
    /,
    connection: object,
    query: str,
    location: str | None = None,
    safe: str = "off",
    num: int = 10,
    engine: str = "google",
) -> object:
    """What the search gives, as SerpApi's JSON."""
    key = str(getattr(connection, "api_key", ""))
    asked = {**_asked(query, location, safe, num, engine), "api_key": key, "source": "python"}
    try:
        status, body = await asking.models.fetch("GET", str(URL(SERVICE).with_query(asked)), {})
        text = body.decode("utf-8", "replace")
        if status == 200:
            return json.loads(text)
    except RequestError:
        raise
    except Exception as problem:  # an address that cannot be reached, an answer that is no JSON
        raise SystemFailure(masked(f"{_FAILED}{type(problem).__name__}: {problem}", [key])) from problem
    kind = SystemFailure if status >= 500 else UserError
    raise kind(masked(_said(text) or f"{_FAILED}{text}", [key]))


search.__qualname__ = "SerpAPI.search"


def _asked(query: str, location: str | None, safe: str, num: int, engine: str) -> dict[str, str]:
    """The parameters of a search: engines have names of their own for some."""
    name = str(getattr(engine, "value", engine))
    is_google = name.lower() == "google"
    asked = {"q": str(query), "engine": name}
    if location is not None:
        asked["location"] = str(location)
    if safe == "active":
        asked |= {"safe": "Active"} if is_google else {"safeSearch": "Strict"}
    if int(num) > 0:
        asked["num" if is_google else "count"] = str(int(num))
    return asked


def _said(text: str) -> str:
    """What the service says went wrong; empty if it does not."""
    try:
        said = json.loads(text)
    except ValueError:
        return ""
    return str(said.get("error", "")) if isinstance(said, dict) else ""
