from house import tool


@tool
async def right(text: str) -> str:
    return text.upper()
