"""Images of a request: read after all conversions, fetched before the walk, a few at once and not without bounds."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from pfserve.errors import UserError
from pfserve.execution import Executor
from pfserve.execution import images as module
from pfserve.execution.fetch import FetchProblem
from pfserve.plan import InputSpec
from pfserve.values import Image, converter, images_reader
from unit.execution.handmade import Literal, at, given, node, plan_of

PNG = b"\x89PNG\r\n\x1a\n"


def image_input(name, kind="object", default=None):
    reader = images_reader(kind, name, "basic")
    value = None if default is None else reader(default)
    return InputSpec(name, kind, default is None, value, converter(kind, name), reader)


async def echo(value):
    return value


def plan_of_images(*inputs, value=None):
    name = value or at(inputs[0].name)
    return plan_of(node("work", echo, value=name), inputs=inputs, outputs={"out": at("work")})


class Web:
    """Stands for the network: gives each address its bytes, and counts."""

    def __init__(self, size=None, broken=()):
        self.asked = []
        self.at_once = self.most_at_once = 0
        self.size = size
        self.broken = broken

    async def fetch(self, url):
        self.asked.append(url)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            if url in self.broken:
                raise FetchProblem("Error code: 404.")
            return PNG if self.size is None else bytes(self.size)
        finally:
            self.at_once -= 1


@pytest.fixture
def run(on_loop):
    def run(plan, web, **values):
        async def main():
            return await Executor(plan, None, fetch=web.fetch).run(values)

        return on_loop(main)

    return run


def url(name):
    return {"data:image/png;url": f"http://h/{name}"}


def test_what_is_given_by_url_is_fetched(run):
    web = Web()
    outputs = run(plan_of_images(image_input("a")), web, a={"x": [url("1"), "text", url("2")]})
    images = outputs["out"]["x"]
    assert [type(part) for part in images] == [Image, str, Image]
    assert images[0] == PNG
    assert images[2].source_url == "http://h/2"
    assert sorted(web.asked) == ["http://h/1", "http://h/2"]


def test_an_image_alone(run):
    out = run(plan_of_images(image_input("a", "image")), Web(), a="http://h/1")["out"]
    assert type(out) is Image


def test_what_needs_no_fetching_asks_nobody(run):
    web = Web()
    assert run(plan_of_images(image_input("a")), web, a={"x": 1}) == {"out": {"x": 1}}
    assert not web.asked


def test_a_default_is_fetched_for_each_request(run):
    plan, web = plan_of_images(image_input("a", default=[url("1")])), Web()
    for _ in range(2):
        [image] = run(plan, web)["out"]
        assert type(image) is Image
    assert web.asked == ["http://h/1"] * 2
    assert run(plan, web, a=[5]) == {"out": [5]}


def test_a_literal_is_fetched(run):
    literal = Literal(images_reader("object", "value", "basic")([url("1")]))
    plan = plan_of(node("work", echo, value=literal), inputs=[given("a")], outputs={"out": at("work")})
    [image] = run(plan, Web(), a=1)["out"]
    assert type(image) is Image


def test_plans_without_images_need_no_fetcher():
    plan = plan_of(node("work", echo, value=at("a")), inputs=[given("a")], outputs={"out": at("work")})
    assert module.images_filler(plan, Web().fetch) is None


def test_conversions_fail_before_images(run):
    plan = plan_of_images(image_input("a", "image"), InputSpec("b", "int", True, None, converter("int", "b")))
    with pytest.raises(UserError, match="flow input 'b' does not match"):
        run(plan, Web(), a=5, b="x")
    with pytest.raises(UserError, match=r"Failed to load image for input 'a': \(InvalidImageInput\) Unsupported"):
        run(plan, Web(), a=5, b=1)


def test_one_that_cannot_be_had(run):
    plan = plan_of_images(image_input("a"))
    with pytest.raises(UserError) as caught:
        run(plan, Web(broken=["http://h/2"]), a=[url("1"), url("2")])
    assert caught.value.message == (
        "Failed to load image for input 'a': (InvalidImageInput) Failed to fetch image from URL: http://h/2. "
        "Error code: 404."
    )


def test_a_few_at_once(run):
    web = Web()
    run(plan_of_images(image_input("a")), web, a=[url(str(n)) for n in range(module.URLS)])
    assert len(web.asked) == module.URLS
    assert web.most_at_once == module.AT_ONCE


def test_not_too_many(run):
    web = Web()
    with pytest.raises(UserError, match="at most 16 images by URL"):
        run(plan_of_images(image_input("a")), web, a=[url(str(n)) for n in range(module.URLS + 1)])
    assert not web.asked


def test_not_too_large_together(run, monkeypatch):
    monkeypatch.setattr(module, "LIMIT_BYTES", 100)
    plan = plan_of_images(image_input("a"))
    run(plan, Web(size=50), a=[url("1"), url("2")])
    with pytest.raises(UserError, match="100 bytes together"):
        run(plan, Web(size=50), a=[url("1"), url("2"), url("3")])


def test_a_request_that_is_cancelled_stops_fetching(on_loop):
    ended = []

    async def fetch(_):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def main():
        executor = Executor(plan_of_images(image_input("a")), None, fetch=fetch)
        task = asyncio.create_task(executor.run({"a": [url("1"), url("2")]}))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    on_loop(partial(main))
    assert ended == [True, True]
