"""A trial on disk: one file of blocks, header first, from which every report can be made again."""

from .header import End, Header
from .read import Record, read
from .write import DiskProblem, Writer

__all__ = ["DiskProblem", "End", "Header", "Record", "Writer", "read"]
