from house import tool


@tool
async def work(value: str) -> str:
    return value
