from html.parser import HTMLParser
from pathlib import Path

from promptflow.core import tool

PAGES = Path(__file__).parent / "pages"
SILENT = {"script", "style"}


class Words(HTMLParser):
    """Collects what a reader of the page would see."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.silent = 0

    def handle_starttag(self, tag, attrs):
        self.silent += tag in SILENT

    def handle_endtag(self, tag):
        self.silent -= tag in SILENT

    def handle_data(self, data):
        if not self.silent and data.strip():
            self.seen.append(" ".join(data.split()))


@tool
def fetch(page: str) -> str:
    file = PAGES / Path(page).name  # a name, never a path: it comes from outside
    if not file.is_file():
        raise ValueError(f"there is no page {page!r}; there are {sorted(file.name for file in PAGES.iterdir())}")
    words = Words()
    words.feed(file.read_text(encoding="utf-8"))
    return "\n".join(words.seen)[:2000]
