"""The control channel between a parent and a child: whole messages over a socket pair, never blocking.

The kernel closes a dead process's end, so the end of the stream says that the other side is gone.
"""

from __future__ import annotations

import socket

import msgspec

from pfserve.worker.messages import Message

_MESSAGE_BYTES = 64 * 1024
_TEXT_CHARACTERS = 8 * 1024  # a longer text is cut, so that it always fits
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


class Channel:
    """One end of the pair. ``closed`` turns true when the other side is gone."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self.closed = False

    def fileno(self) -> int:
        """The descriptor to poll for reading."""
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Send a message. One that cannot be delivered is dropped: the other side is gone, or has stopped reading."""
        try:
            self._socket.send(_encoder.encode(_deliverable(message)))
        except OSError:  # the end of the stream, or the exit of the child, tells the parent more
            return

    def receive(self) -> list[Message]:
        """Take every message that has arrived."""
        messages: list[Message] = []
        while not self.closed:
            try:
                data = self._socket.recv(_MESSAGE_BYTES)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if data:
                messages.append(_decoder.decode(data))
            else:
                self.closed = True
        return messages

    def close(self) -> None:
        """Close this end."""
        self.closed = True
        self._socket.close()


def _deliverable(message: Message) -> Message:
    """The message with texts that fit, and without lone surrogates, which no encoding takes."""
    texts = {name: text for name, text in msgspec.structs.asdict(message).items() if isinstance(text, str)}
    clean = {name: text[:_TEXT_CHARACTERS].encode(errors="backslashreplace").decode() for name, text in texts.items()}
    return msgspec.structs.replace(message, **clean)


def channel_pair() -> tuple[Channel, Channel]:
    """Two connected ends: the parent's and the child's."""
    parent_end, child_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent_end.setblocking(False)
    child_end.setblocking(False)
    return Channel(parent_end), Channel(child_end)
