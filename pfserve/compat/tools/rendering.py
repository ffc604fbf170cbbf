"""Templates that user code renders itself: by the rules of prompt nodes, and compiled once for each text."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from pfserve.compat.tool import tool
from pfserve.compat.tools.exception import told
from pfserve.config import snapshot
from pfserve.values import template_failure
from pfserve.values.chat import PromptResult, escape_variables

_TEMPLATES_KEPT = 128  # a flow has a few; a prompt that is put together for each request must not fill the memory


def render(text: str, variables: Mapping[str, object], *, trim_blocks: bool = True, keep_newline: bool = True) -> str:
    """The template filled in.

    Raises:
        JinjaTemplateError: the template is wrong, or failed.
    """
    try:
        return _template(str(text), sandboxed(), trim_blocks, keep_newline).render(variables)
    except Exception as problem:  # the template runs its author's expressions
        raise told(template_failure(problem)) from problem


def render_jinja_template(
    template_content: str,
    trim_blocks: bool = True,
    keep_trailing_newline: bool = True,
    escape_dict: Mapping[str, str] | None = None,
    **kwargs: object,
) -> str:
    """``promptflow.tools.common.render_jinja_template``. ``escape_dict`` changes nothing, as in promptflow."""
    return render(template_content, kwargs, trim_blocks=trim_blocks, keep_newline=keep_trailing_newline)


def escaped(variables: dict[str, object]) -> dict[str, str]:
    """Escape, in place, what the variables tell to escape (``_inputs_to_escape``); give the tokens."""
    names = variables.pop("_inputs_to_escape", None)
    return escape_variables(variables, tuple(names) if isinstance(names, list | tuple) else ())


@tool
def render_template_jinja2(template: str, **kwargs: object) -> str:
    """``promptflow.tools.template_rendering.render_template_jinja2``: what a prompt node does."""
    tokens = escaped(kwargs)
    return PromptResult.of(render(template, kwargs), tokens)


@functools.lru_cache(maxsize=_TEMPLATES_KEPT)
def _template(text: str, sandboxed: bool, trim_blocks: bool, keep_newline: bool) -> jinja2.Template:
    kind = SandboxedEnvironment if sandboxed else jinja2.Environment
    return kind(trim_blocks=trim_blocks, keep_trailing_newline=keep_newline).from_string(text)


@functools.cache
def sandboxed() -> bool:
    """Whether templates are rendered in jinja2's sandbox."""
    return snapshot().get("PF_USE_SANDBOX_FOR_JINJA", "").lower() != "false"
