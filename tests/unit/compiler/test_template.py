"""Rendering gives what jinja2's own ``Template.render`` gives."""

from __future__ import annotations

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfserve.compiler.template import compile_template, template_environment, template_variables
from pfserve.errors import UserError
from unit.compiler.conftest import Flows


class Sub(str):
    def __str__(self) -> str:
        return "sub"


class Broken:
    def __str__(self) -> str:
        raise ValueError("no text")


VALUES: dict[str, object] = {
    "text": "hello",
    "n": 5,
    "none": None,
    "l": [1, 2],
    "sub": Sub("x"),
    "range_": "r",
    "html": "<b>&",
}

TEMPLATES = [
    "",
    "only text\n",
    "{{text}}",
    "a {{text}} b {{ n }}\n",
    "{{ text }}{{ undefined }}{{ none }}{{ l }}{{ sub }}{{ html }}",
    "{% raw %}{{ text }}{% endraw %}{{ text }}",
    "{# comment #}{{ text }}\n\n",
    "{{ range }}",
    "{{ text|upper }}",
    "{% if n > 3 %}\nyes {{ text }}\n{% endif %}\nend\n",
    "{% for x in l %}{{ loop.index }}:{{ x }}{{ undefined }}{% endfor %}",
    "{% set y = text %}{{ y }}{{ text }}",
    "{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(text) }}",
    "{% block b %}{{ text }}{% endblock %}{{ self.b() }}",
    "{{ text.upper() }} {{ l[0] }} {{ n + 1 }} {{ undefined is defined }}",
    "{% for i in range(3) %}{{ i }}{% endfor %}{{ dict(a=1) }}",
    "{{- text -}}  \n x",
    "line\r\nline {{ text }}\r\n",
    "{{ 'literal' }}{{ 5 }}{{ text }}",
]


@pytest.mark.parametrize("sandbox", [True, False])
@pytest.mark.parametrize("text", TEMPLATES)
def test_rendering_is_jinjas(text: str, sandbox: bool) -> None:
    environment = template_environment(sandbox)
    expected = environment.from_string(text).render(**VALUES)
    assert compile_template(environment, text, VALUES.keys())(**VALUES) == expected


@given(st.lists(st.sampled_from(["{{text}}", "{{ n }}", "{{ gone }}", "{{ sub }}", "a", "\n", " ", "{", "é"])))
def test_simple_templates_render_as_in_jinja(parts: list[str]) -> None:
    environment, text = template_environment(True), "".join(parts)
    try:
        expected = environment.from_string(text).render(**VALUES)
    except jinja2.TemplateSyntaxError:
        with pytest.raises(jinja2.TemplateSyntaxError):
            compile_template(environment, text, VALUES.keys())
        return
    assert compile_template(environment, text, VALUES.keys())(**VALUES) == expected


def test_a_given_name_hides_a_global_one() -> None:
    environment = template_environment(True)
    assert compile_template(environment, "{{ range }}", {"range"})(range="mine") == "mine"
    assert "safe_range" in compile_template(environment, "{{ range }}", set())()


FAILURES = {
    "{{ text.x.y }}": "UndefinedError: 'str object' has no attribute 'x'",
    "{{ text + 1 }}": 'TypeError: can only concatenate str (not "int") to str',
    "{% include 'b' %}": "TypeError: no loader for this environment specified",
    "{{ broken }}": "ValueError: no text",
    "{{ broken }}{% if 1 %}{% endif %}": "ValueError: no text",
    "{{ text.__class__.__name__ }}": "SecurityError: access to attribute '__class__' of 'str' object is unsafe.",
    "{{ 1 / (n - 5) }}": "ZeroDivisionError: division by zero",
}


@pytest.mark.parametrize("text", FAILURES)
def test_a_failure_is_the_requests(text: str) -> None:
    values = {**VALUES, "broken": Broken()}
    render = compile_template(template_environment(True), text, values.keys())
    with pytest.raises(UserError) as caught:
        render(**values)
    expected = f"Failed to render jinja template: {FAILURES[text]}. Please modify your prompt to fix the issue."
    assert caught.value.message == expected


def test_renderings_do_not_touch_each_other() -> None:
    render = compile_template(template_environment(True), "{{ a }}{{ b }}", {"a", "b"})
    assert [render(a=1, b=2), render(a=3, b=4), render(a=1, b=2)] == ["12", "34", "12"]


def test_variables_are_those_from_outside() -> None:
    assert template_variables(template_environment(True), "{% set x = 1 %}{{ x }}{{ y }}{{ z.w }}") == {"y", "z"}


def test_a_prompt_gets_null_where_a_python_node_gets_its_default(flows: Flows) -> None:
    """promptflow drops nulls of tools only; a template prints ``None``."""
    node = "- {name: %s, type: %s, source: {type: code, path: %s}, inputs: {x: null, y: ''}}\n"
    document = "nodes:\n" + node % ("p", "prompt", "p.jinja2") + node % ("q", "python", "q.py")
    code = "from house import tool\n@tool\ndef q(x=1, y=2):\n    return x\n"
    plan = flows.compile({"flow.dag.yaml": document, "p.jinja2": "{{ x }}", "q.py": code})
    assert [[argument.name for argument in step.arguments] for step in plan.steps] == [["x", "y"], []]
    assert plan.literals == (None, "")
    assert plan.steps[0].function(x=None, y="") == "None"
