"""The server-sent events of a model's stream, from bytes that arrive in any pieces. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_DATA = b"data: "
_END = b"[DONE]"


class EventReader:
    """Feed it bytes, take the data of the events that they complete.

    Lines end in LF, CRLF or CR; comments and other fields are skipped; an event that the end of the stream cuts is
    dropped. After ``[DONE]`` nothing more comes.
    """

    def __init__(self) -> None:
        self.done = False
        self._rest: list[bytes] = []  # the pieces of a line that is not finished
        self._data: list[bytes] = []  # the data lines of an event that is not finished

    def feed(self, piece: bytes) -> Iterable[bytes]:
        """The data of each event that ``piece`` completes, without what ends the stream. To be read before the next."""
        if not self._rest and not self._data and piece.startswith(_DATA) and piece.endswith(b"\n\n"):
            # What nearly every piece is: events of one line each. Whatever else there is in it makes more lines.
            events = piece[len(_DATA) : -2].split(b"\n\n" + _DATA)
            if piece.count(b"\n") == 2 * len(events) and b"\r" not in piece and _END not in piece:
                return events
        return self._read(piece)

    def _read(self, piece: bytes) -> Iterator[bytes]:
        for line in self._lines(piece):
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and self._data:
                data, self._data = b"\n".join(self._data), []
                if data.startswith(_END):
                    self.done = True
                    return
                yield data

    def _lines(self, piece: bytes) -> list[bytes]:
        if b"\n" not in piece and b"\r" not in piece:
            self._rest.append(piece)
            return []
        text = b"".join((*self._rest, piece)) if self._rest else piece
        lines = text.splitlines(keepends=True)
        # A CR at the very end may be the first half of a CRLF: it waits for what follows.
        self._rest = [] if lines[-1].endswith(b"\n") else [lines.pop()]
        return [line.rstrip(b"\r\n") for line in lines]
