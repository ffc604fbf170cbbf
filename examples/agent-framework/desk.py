from dataclasses import dataclass
from typing import Never

from agent_framework import (
    Agent,
    AgentExecutor,
    AgentExecutorRequest,
    AgentExecutorResponse,
    Executor,
    Message,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    handler,
)
from agent_framework.openai import OpenAIChatCompletionClient
from promptflow.connections import OpenAIConnection


@dataclass
class Answered:
    answer: str
    draft: str


class Ask(Executor):
    """The question becomes the first message of the conversation."""

    @handler
    async def ask(self, question: str, ctx: WorkflowContext[AgentExecutorRequest]) -> None:
        await ctx.send_message(AgentExecutorRequest(messages=[Message("user", [question])], should_respond=True))


class Review(Executor):
    """The writer's draft goes to the editor, as something to improve."""

    def __init__(self) -> None:
        super().__init__(id="review")
        self.draft = ""

    @handler
    async def review(self, written: AgentExecutorResponse, ctx: WorkflowContext[AgentExecutorRequest]) -> None:
        self.draft = written.agent_response.text
        await ctx.send_message(AgentExecutorRequest(messages=[Message("user", [self.draft])], should_respond=True))


class Finish(Executor):
    """What the editor says is the answer."""

    def __init__(self, review: Review) -> None:
        super().__init__(id="finish")
        self.review = review

    @handler
    async def finish(self, edited: AgentExecutorResponse, ctx: WorkflowContext[Never, Answered]) -> None:
        await ctx.yield_output(Answered(edited.agent_response.text, self.review.draft))


class Desk:
    """Made once per worker. The client keeps connections to the model; a workflow has state: one for each request."""

    def __init__(self, connection: OpenAIConnection, model: str) -> None:
        self.client = OpenAIChatCompletionClient(model, api_key=connection.api_key, base_url=connection.base_url)

    async def __call__(self, question: str) -> Answered:
        result = await self._workflow().run(question)
        return result.get_outputs()[0]

    def _workflow(self) -> Workflow:
        ask, review = Ask(id="ask"), Review()
        writer = self._agent("writer", "Answer in one sentence.")
        editor = self._agent("editor", "Make it shorter, and keep what it says.")
        finish = Finish(review)
        return (
            WorkflowBuilder(start_executor=ask, output_from=[finish])
            .add_chain([ask, writer, review, editor, finish])
            .build()
        )

    def _agent(self, name: str, instructions: str) -> AgentExecutor:
        return AgentExecutor(Agent(self.client, instructions, name=name), id=name)
