"""From a prompty to its plan: one call of a model (contract 4.2). The table of contents of that."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import jinja2
import msgspec

from pfserve.compiler.defaults import usable_default
from pfserve.compiler.findings import Findings
from pfserve.compiler.llm_node import ask_model
from pfserve.compiler.prompty_model import CONFIGURATION_KEYS, check_configuration, connection_of, model_name
from pfserve.compiler.prompty_references import References, entry_named
from pfserve.compiler.prompty_sample import load_sample, type_of_value
from pfserve.compiler.requirements import check_requirements
from pfserve.compiler.returned import check_file, plan_of_step
from pfserve.compiler.template import Render, compile_template, template_environment
from pfserve.connections import ConnectionProblem, Connections
from pfserve.errors import did_you_mean
from pfserve.flow import InputSource, PromptySource, SourceSpan
from pfserve.flow.document import Entry
from pfserve.flow.document import Mapping as Section
from pfserve.plan import Argument, InputSpec, Lane, Plan, PromptyCall, Reference, Step, StepKind
from pfserve.values import converter, prompty_images_reader
from pfserve.values.chat import separate_images
from pfserve.values.core_errors import InvalidConnectionError, InvalidSampleError
from pfserve.values.promptflow_errors import UserErrorException

_MODEL_KEYS = ("api", "configuration", "parameters", "response")
_APIS = ("chat", "completion")


def compile_prompty(
    source: PromptySource,
    *,
    jinja_sandbox: bool,
    included_outputs: tuple[str, ...] | None,
    connections: Connections,
) -> Plan:
    """The plan of a prompty. The arguments are those of ``compile_flow``."""
    findings = Findings(source.mistakes, source.warnings)
    check_file(source, findings)
    check_requirements(source, findings)
    references = References(source.folder)
    inputs = source.inputs or _sampled_inputs(source, references, findings)
    specs = tuple(_spec(one, source, findings) for one in inputs)
    render = _template(source, jinja_sandbox, {one.name for one in inputs}, findings)
    call = _call(source, render, references, connections, findings)
    findings.raise_mistakes()
    assert call is not None, "without a model there was a mistake"

    told = msgspec.structs.replace(source, inputs=inputs)
    fingerprint = hashlib.sha256(source.content).hexdigest()[:16]
    step = _step(source, specs, call)
    return plan_of_step(told, specs, step, findings, included=included_outputs, fingerprint=fingerprint)


# -- inputs


def _sampled_inputs(source: PromptySource, references: References, findings: Findings) -> tuple[InputSource, ...]:
    """A prompty that declares no inputs has those of its sample, whose values are their defaults."""
    entry = entry_named(source.front.entries, "sample")
    if entry is None:
        return ()
    given = references.within_file(entry.value, findings.mistake, findings.warning)
    try:
        sample = load_sample(given, source.folder)
    except InvalidSampleError as problem:
        findings.mistake(entry.span, str(problem))
        return ()
    return tuple(
        InputSource(
            name=name,
            type=type_of_value(value),
            default=value,
            description="",
            is_chat_input=False,
            is_chat_history=False,
            span=entry.span,
        )
        for name, value in sample.items()
    )


def _spec(one: InputSource, source: PromptySource, findings: Findings) -> InputSpec:
    """An input. A default that does not fit its type makes promptflow refuse the request that needs it."""
    convert = converter(one.type, one.name)
    own_images = prompty_images_reader(one.name, source.folder, anywhere=True)
    default, refusal = usable_default(one, lambda value: own_images(convert(value)), findings)
    required = one.default is None and one in source.inputs
    images = prompty_images_reader(one.name)
    return InputSpec(one.name, one.type, required, default, convert, images, refusal=refusal)


# -- the template


def _template(source: PromptySource, sandbox: bool, given: set[str], findings: Findings) -> Render | None:
    first = source.template.span
    try:
        return compile_template(template_environment(sandbox), separate_images(source.template.text), given)
    except jinja2.TemplateSyntaxError as problem:
        message = f"Jinja parsing failed: ({type(problem).__name__}) {problem.message}"
        findings.mistake(SourceSpan(first.file, first.line + problem.lineno - 1), message)
    except (SyntaxError, RecursionError, MemoryError) as problem:  # jinja2 made code that python refuses
        findings.mistake(first, f"cannot be read: {type(problem).__name__}: {problem}")
    return None


# -- the model


def _call(
    source: PromptySource,
    render: Render | None,
    references: References,
    connections: Connections,
    findings: Findings,
) -> PromptyCall | None:
    model = entry_named(source.front.entries, "model")
    if model is None or not isinstance(model.value, Section):
        lacking = "a prompty needs a mapping 'model' with 'configuration' and 'parameters'"
        findings.mistake(model.span if model else source.front.span, lacking)
        return None
    resolved = {
        str(entry.key): references.within_file(entry.value, findings.mistake, findings.warning)
        for entry in model.value.entries
    }
    configuration = _mapping(resolved, model, "configuration", findings)
    parameters = _mapping(resolved, model, "parameters", findings)
    _check_model(model, model.value, resolved, findings)
    if configuration is None or parameters is None or render is None:
        return None
    label = f"model of {source.path.name}"
    connection, problem = _connection(configuration, connections, label, model, findings)
    return PromptyCall(
        api="completion" if resolved.get("api") == "completion" else "chat",
        model=model_name(configuration),
        connection=connection,
        problem=problem,
        template=render,
        parameters=parameters,
        whole=resolved.get("response") == "all",
        outputs=tuple(one.name for one in source.outputs),
    )


def _mapping(
    resolved: Mapping[str, object], model: Entry, name: str, findings: Findings
) -> Mapping[str, object] | None:
    """One of the two parts that a model has to have."""
    entries = model.value.entries if isinstance(model.value, Section) else ()
    entry = entry_named(entries, name)
    found = resolved.get(name)
    if entry is None:
        findings.mistake(
            model.span, f"'model' has no '{name}'" + ("; write {} for none" if name == "parameters" else "")
        )
    elif name == "parameters" and found is None:
        return {}
    elif isinstance(found, dict):
        return found
    else:
        findings.mistake(entry.span, f"'{name}' of 'model' must be a mapping")
    return None


def _check_model(model: Entry, section: Section, resolved: Mapping[str, object], findings: Findings) -> None:
    for entry in section.entries:
        if entry.key not in _MODEL_KEYS:
            misplaced = entry.key in CONFIGURATION_KEYS
            hint = "; it belongs under 'configuration'" if misplaced else did_you_mean(str(entry.key), _MODEL_KEYS)
            findings.mistake(entry.span, f"'model' has the unknown key '{entry.key}'{hint}")
    for name, known, instead in (("api", _APIS, "chat"), ("response", ("first", "all"), "first")):
        if resolved.get(name, instead) not in known:
            odd = f"'{name}' of 'model' is {resolved[name]!r}, which is read as '{instead}'"
            entry_ = entry_named(section.entries, name)
            findings.warning(entry_.span if entry_ else model.span, odd)


def _connection(
    configuration: Mapping[str, object], connections: Connections, label: str, model: Entry, findings: Findings
) -> tuple[object | None, Callable[[], Exception] | None]:
    """The connection; or, where promptflow starts all the same, what it answers to each request."""
    span = model.span
    if isinstance(model.value, Section) and (entry := entry_named(model.value.entries, "configuration")):
        span = entry.span
    try:
        check_configuration(configuration)
        return connection_of(configuration, connections, label), None
    except (ConnectionProblem, InvalidConnectionError) as problem:
        findings.mistake(span, str(problem))
    except UserErrorException as problem:
        findings.warning(span, f"every request is answered with 400: {problem}")
        return None, partial(type(problem), str(problem))
    return None, None


# -- the step


def _step(source: PromptySource, specs: tuple[InputSpec, ...], call: PromptyCall) -> Step:
    return Step(
        name=source.path.stem,
        kind=StepKind.PROMPTY,
        function=ask_model,
        is_async=True,
        lane=Lane.LOOP,
        arguments=tuple(
            Argument(spec.name, Reference(slot, (), spec.name, f"${{inputs.{spec.name}}}"))
            for slot, spec in enumerate(specs)
        ),
        result=len(specs),
        needs=(),
        guard=None,
        source=f"{Path(source.span.file).name}:{source.template.span.line}",
        call=call,
    )
