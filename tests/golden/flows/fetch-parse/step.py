from house import tool


@tool
def step(value: str, limit: int = 10) -> str:
    return value[:limit]
