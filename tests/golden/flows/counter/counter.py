class Counter:
    def __init__(self, words: str):
        self.words = words.split()

    async def __call__(self, text: str, most: int = 5, least=None):
        return {"found": [word for word in self.words if word in text][:most]}
