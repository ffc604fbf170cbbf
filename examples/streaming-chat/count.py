from promptflow.core import tool


@tool
async def count(question: str) -> int:
    return len(question.split())
