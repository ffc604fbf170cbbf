from promptflow.connections import AzureOpenAIConnection
from promptflow.tools.aoai import chat

PROMPT = """system:
You know {{town}} well. Answer in one sentence.
user:
{{question}}
"""


class Guide:
    def __init__(self, connection: AzureOpenAIConnection, town: str) -> None:
        self.connection = connection
        self.town = town

    def __call__(self, question: str):
        model = {"deployment_name": "gpt-4o", "max_tokens": 40, "stream": True}
        yield f"{self.town}: "
        yield from chat(self.connection, PROMPT, town=self.town, question=question, **model)
