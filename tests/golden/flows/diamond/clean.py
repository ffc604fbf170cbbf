from house import tool


@tool
def clean(text: str) -> str:
    return text.strip()
