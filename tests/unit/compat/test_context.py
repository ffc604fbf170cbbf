"""``OperationContext``: what a step sees of its request, and that no request sees another's."""

from __future__ import annotations

import contextvars

import pytest

from pfserve.compat import context as context_module
from pfserve.compat.context import OperationContext, ThreadPoolExecutorWithContext, executes
from pfserve.values.ambient import REQUEST_ID


def within(request, work, context=None):
    """What ``work`` gives in a context of its own, as the chain of a request runs it."""

    def run():
        REQUEST_ID.set(request)
        return work()

    return (context or contextvars.copy_context()).run(run)


def test_a_step_sees_its_request():
    context = within("id-1", OperationContext.get_instance)
    assert context.root_run_id == context["root_run_id"] == "id-1"
    assert context.get_request_id() == "id-1"
    assert (context.flow_id, context.run_mode, context.execution_target) == ("default_flow_id", "Test", "dag")
    assert context._get_otel_attributes() == {
        "line_run_id": "id-1",
        "request_id": "id-1",
        "execution_target": "dag",
    }
    assert context.get_context_dict() == dict(context)


def test_it_stays_the_same_within_a_chain():
    def twice():
        OperationContext.get_instance().mine = 1
        return OperationContext.get_instance()

    assert within("id-1", twice).mine == 1


def test_requests_do_not_see_each_other():
    def first():
        OperationContext.get_instance()["mine"] = "secret"
        return contextvars.copy_context()

    left_behind = within("id-1", first)
    assert "mine" not in within("id-2", OperationContext.get_instance)
    inherited = within("id-2", OperationContext.get_instance, left_behind)
    assert inherited.root_run_id == "id-2"


def test_what_the_process_put_in_on_import_is_there_in_every_request():
    def boot():
        OperationContext.get_instance().append_user_agent("mine/1")
        OperationContext.get_instance().append_user_agent("mine/1")
        return contextvars.copy_context()

    booted = contextvars.copy_context().run(boot)
    context = within("id-1", OperationContext.get_instance, booted.copy())
    assert context.get_user_agent().split().count("mine/1") == 1
    assert context.root_run_id == "id-1"
    assert "root_run_id" not in booted.run(OperationContext.get_instance)


def test_a_missing_name_is_a_missing_attribute():
    context = OperationContext()
    assert not hasattr(context, "nope")
    context.yes = 1
    del context.yes
    with pytest.raises(AttributeError, match="has no attribute 'yes'"):
        del context.yes


def test_threads_of_the_pool_know_the_request():
    def ask():
        with ThreadPoolExecutorWithContext(max_workers=2) as pool:
            return [pool.submit(REQUEST_ID.get).result(), *pool.map(lambda _: REQUEST_ID.get(), range(2))]

    assert within("id-1", ask) == ["id-1"] * 3


def test_contexts_say_what_kind_of_flow_is_executed(monkeypatch):
    monkeypatch.setattr(context_module, "_executed", "dag")
    executes("flex")
    token = REQUEST_ID.set("another request")
    try:
        assert OperationContext.get_instance().execution_target == "flex"
    finally:
        REQUEST_ID.reset(token)
