"""Calling models: one pooled client per worker, requests and answers exactly as promptflow has them, own retries."""

from pfserve.llm.client import Client
from pfserve.llm.here import models_here
from pfserve.llm.here import serve as serve_models
from pfserve.llm.models import Models
from pfserve.llm.problems import ModelError

__all__ = ["Client", "ModelError", "Models", "models_here", "serve_models"]
