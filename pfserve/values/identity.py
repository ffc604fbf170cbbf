"""The identity of this process in Azure. Nothing of it is loaded before somebody asks for a token."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from pfserve.config.snapshot import snapshot

_AI_SCOPE = "https://cognitiveservices.azure{}/.default"
_SEARCH_SCOPE = "https://search.azure{}/.default"
_CLOUDS = (".us", ".cn")  # of Azure; every other address is of the public cloud, or of one's own in front of it

_KNOWN_AUTHORITIES = (
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.chinacloudapi.cn",
    "login.microsoftonline.de",
)
_MISSING = "auth_mode meid_token needs azure-identity: pip install 'pfserve[azure]'"


class AccessToken(msgspec.Struct, frozen=True):
    """A token of Microsoft Entra ID, and until when it is valid, in seconds since 1970."""

    text: str
    expires_s: float

    def __repr__(self) -> str:
        return f"<AccessToken until {self.expires_s:.0f}>"


def ai_scope(address: object) -> str:
    """What a token for Azure OpenAI or Azure AI Services at this address has to be for.

    It is also what a connection to Azure AI Search gives user code, as in promptflow.
    """
    return _scope(_AI_SCOPE, address)


def search_scope(address: object) -> str:
    """What a token has to be for that Azure AI Search at this address takes."""
    return _scope(_SEARCH_SCOPE, address)


def _scope(pattern: str, address: object) -> str:
    try:
        host = urlsplit(str(address)).hostname or ""
    except ValueError:  # no address: whoever calls it will be told
        host = ""
    return pattern.format(next((cloud for cloud in _CLOUDS if host.endswith(f".azure{cloud}")), ".com"))


def access_token(scope: str) -> AccessToken:
    """A valid token for the scope; the library keeps it until it nears its end. Blocks.

    Raises:
        ImportError: azure-identity is not installed.
        Exception: of azure-identity: no identity, or no token for it.
    """
    given = _identity(os.getpid()).get_token(scope)
    return AccessToken(str(given.token), float(given.expires_on))


def token(scope: str) -> str:
    """The text of :func:`access_token`."""
    return access_token(scope).text


def is_installed() -> bool:
    """Whether azure-identity is there."""
    try:
        return importlib.util.find_spec("azure.identity") is not None
    except ImportError:
        return False


def preload() -> None:
    """Import the library, if it is there: a leader does so for its workers, which share the pages."""
    if is_installed():
        importlib.import_module("azure.identity")


@functools.cache
def _identity(_process: int) -> Any:
    """One for all scopes, and for each process: its connections are not to be shared through a fork."""
    try:
        library = importlib.import_module("azure.identity")
    except ImportError:
        raise ImportError(_MISSING) from None
    return library.DefaultAzureCredential(**options(snapshot()))


def options(environ: Mapping[str, str]) -> dict[str, bool]:
    """What a credential is told: that an authority of one's own cannot be looked up in the public cloud."""
    host = environ.get("AZURE_AUTHORITY_HOST", "")
    address = urlsplit(host if "://" in host else f"https://{host}").hostname
    return {"disable_instance_discovery": True} if address and address not in _KNOWN_AUTHORITIES else {}
