from house import tool


@tool
def convert(text: str):
    return {"category": text}
