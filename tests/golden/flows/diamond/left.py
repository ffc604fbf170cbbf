from house import tool


@tool
def left(text: str, times: int) -> dict:
    return {"words": [text * times]}
