"""The identity of this process in Azure. Nothing of it is loaded before somebody asks for a token."""

from __future__ import annotations

import functools
import importlib


def token(scope: str) -> str:
    """A valid token for the scope; the library keeps it until it nears its end.

    Raises:
        ImportError: azure-identity is not installed.
    """
    return str(_identity().get_token(scope).token)  # type: ignore[attr-defined]


@functools.cache
def _identity() -> object:
    try:
        library = importlib.import_module("azure.identity")
    except ImportError:
        raise ImportError("auth_mode meid_token needs azure-identity: pip install 'pfserve[azure]'") from None
    return library.DefaultAzureCredential()
