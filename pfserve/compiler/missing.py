"""What to install where an import fails."""

from __future__ import annotations

import importlib.util

from pfserve.values import exception_text

_NAMED_OTHERWISE = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "pymupdf",
    "PIL": "pillow",
    "ruamel": "ruamel.yaml",
    "serpapi": "google-search-results",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def import_told(problem: BaseException) -> str:
    """An exception that came out of an import, as text; with what to install if a module is missing."""
    text = exception_text(problem)
    told = f"{type(problem).__name__}: {text}" if text else type(problem).__name__
    return told + install_hint(problem)


def missing_module(name: str) -> str:
    """What to say of a tool that needs a module, if that is not installed."""
    if not name or importlib.util.find_spec(name):
        return ""
    return f"needs the module {name}, which is not installed: pip install 'pfserve[lookup]'"


def install_hint(problem: BaseException) -> str:
    """How to get a module that is missing, if that is the problem; ours are not to be had by installing."""
    root = (problem.name or "").partition(".")[0] if isinstance(problem, ModuleNotFoundError) else ""
    if not root or root == "promptflow":
        return ""
    return f" (pip install {_NAMED_OTHERWISE.get(root, root)})"
