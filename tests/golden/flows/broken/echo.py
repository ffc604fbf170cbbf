from house import tool


@tool
def echo(text: str, count: int) -> str:
    return text * count
