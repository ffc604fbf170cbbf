from house import tool


@tool
def join(left: str, right: str, separator: str) -> dict:
    return {"text": separator.join([left, right])}
