from collections import Counter
from dataclasses import dataclass


@dataclass
class Counted:
    words: int
    frequent: list


def count(text: str, most: int = 3) -> Counted:
    words = text.lower().split()
    return Counted(len(words), [word for word, _ in Counter(words).most_common(most)])
