"""A small index: passages are paragraphs, and rare words that a passage shares with the question count most (BM25)."""

import math
import re
from collections import Counter
from pathlib import Path

from promptflow.core import tool

NOTES = Path(__file__).parent / "notes"
SATURATION, LENGTH_MATTERS = 1.5, 0.75  # the usual constants of BM25


def words(text: str) -> list:
    return [word.removesuffix("s") for word in re.findall(r"[a-z]{3,}", text.lower())]


class Passage:
    def __init__(self, source: str, text: str):
        self.source = source
        self.text = " ".join(text.split())
        self.counts = Counter(words(text))
        self.length = self.counts.total()


class Index:
    def __init__(self, passages: list):
        self.passages = passages
        self.mean_length = sum(passage.length for passage in passages) / len(passages)
        self.found_in = Counter(word for passage in passages for word in passage.counts)

    def weight(self, word: str) -> float:
        found_in = self.found_in[word]
        return math.log(1 + (len(self.passages) - found_in + 0.5) / (found_in + 0.5))

    def score(self, passage: Passage, asked: set) -> float:
        slowdown = SATURATION * (1 - LENGTH_MATTERS + LENGTH_MATTERS * passage.length / self.mean_length)
        counts = {word: passage.counts[word] for word in asked}
        return sum(self.weight(word) * n * (SATURATION + 1) / (n + slowdown) for word, n in counts.items() if n)

    def best(self, question: str, many: int) -> list:
        asked = set(words(question))
        scored = sorted(((self.score(passage, asked), n) for n, passage in enumerate(self.passages)), reverse=True)
        best = scored[0][0]
        return [self.passages[n] for score, n in scored[:many] if best and score > best / 2]


INDEX = Index(
    [
        Passage(file.name, paragraph)
        for file in sorted(NOTES.glob("*.txt"))
        for paragraph in file.read_text(encoding="utf-8").split("\n\n")
    ]
)


@tool
def retrieve(question: str, passages: int) -> dict:
    found = INDEX.best(question, passages)
    return {"texts": [one.text for one in found], "sources": list(dict.fromkeys(one.source for one in found))}
