"""A prompt's template as a function: compiled once, rendered with as little as exact jinja2 semantics need."""

from __future__ import annotations

import re
from collections.abc import Callable, Set

import jinja2
from jinja2 import meta, nodes
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from pfserve.values import template_failure
from pfserve.values.roles import PromptResult, escape_variables

Render = Callable[..., str]

_SPECIAL_NAMES = ("self", "super")
_IMAGE = re.compile(r"!\[\s*image\s*\]\(\{\{\s*([^{}\n]+?)\s*\}\}\)")


def template_environment(sandbox: bool) -> jinja2.Environment:
    """The environment of a flow's templates (contract 3.7): no loader, no escaping, undefined names render empty."""
    kind = SandboxedEnvironment if sandbox else jinja2.Environment
    return kind(trim_blocks=True, keep_trailing_newline=True)


def template_variables(environment: jinja2.Environment, text: str) -> set[str]:
    """The names that the template expects from outside."""
    return meta.find_undeclared_variables(environment.parse(text))


def image_variables(text: str) -> list[str]:
    """The names in placeholders for images, ``![image]({{ name }})`` (contract 3.7)."""
    return [name.strip() for name in _IMAGE.findall(text)]


def compile_template(environment: jinja2.Environment, text: str, given: Set[str]) -> Render:
    """A function that takes the values of the names ``given`` as keyword arguments and gives the text.

    The function raises :class:`pfserve.errors.UserError` when the template fails.

    Raises:
        jinja2.TemplateSyntaxError: the template is wrong; it carries the line.
    """
    code = environment.compile(text)  # finds unknown filters and tests, which parsing alone does not
    parts = _simple_parts(environment, text, given)
    return _renderer(environment, code) if parts is None else _joiner(parts)


def given_template(environment: jinja2.Environment) -> Render:
    """A function that renders the text that it is given as ``prompt``, with its other arguments as variables.

    For LLM nodes that have an input of that name: it takes the place of the node's own file.
    """

    def render(prompt: object = None, **values: object) -> str:
        if type(prompt) is str and "{" not in prompt:
            return prompt
        try:
            return environment.from_string(prompt).render(**values)  # type: ignore[arg-type]
        except Exception as problem:  # not only a template's errors: it may be no text at all
            raise template_failure(problem) from problem

    return render


def escaping_prompt(render: Render, names: tuple[str, ...]) -> Render:
    """``render`` for a prompt that becomes part of a model's prompt: role words within ``names`` stay escaped there."""

    def render_escaped(**values: object) -> str:
        escapes = escape_variables(values, names)
        return PromptResult.of(render(**values), escapes)

    return render_escaped


def _simple_parts(environment: jinja2.Environment, text: str, given: Set[str]) -> list[tuple[bool, str]] | None:
    """The template as (is a name, text or name) if it is nothing but text and plain names; else None."""
    parts: list[tuple[bool, str]] = []
    for output in environment.parse(text).body:
        for part in output.nodes if isinstance(output, nodes.Output) else [output]:
            if isinstance(part, nodes.TemplateData):
                parts.append((False, part.data))
            elif not isinstance(part, nodes.Name) or part.name in _SPECIAL_NAMES:
                return None
            elif part.name in given:
                parts.append((True, part.name))
            elif part.name in environment.globals:
                return None
    return parts


def _joiner(parts: list[tuple[bool, str]]) -> Render:
    """Rendering of text and plain names, some thirty times faster than jinja2's own."""
    blank = ["" if is_name else text for is_name, text in parts]
    holes = [(index, name) for index, (is_name, name) in enumerate(parts) if is_name]

    def render(**values: object) -> str:
        texts = blank.copy()
        try:
            for index, name in holes:
                texts[index] = str(values[name])
        except Exception as problem:  # whatever the value's __str__ raises
            raise template_failure(problem) from problem
        return "".join(texts)

    return render


def _renderer(environment: jinja2.Environment, code: object) -> Render:
    """Rendering by jinja2's compiled code, in a context made directly instead of through ``Template.render``."""
    template = environment.template_class.from_code(environment, code, {})  # type: ignore[arg-type]
    root, blocks, shared = template.root_render_func, template.blocks, dict(environment.globals)

    def render(**values: object) -> str:
        try:
            return "".join(root(Context(environment, {**shared, **values}, None, blocks)))
        except Exception as problem:  # the template runs the author's expressions
            raise template_failure(problem) from problem

    return render
