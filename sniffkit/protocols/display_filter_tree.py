"""The parts of a display filter as a tree: what the grammar makes of its text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a filter and where it stands: from column ``start`` to ``end``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A value as written; ``quoted`` is the string it says, None for a bare word; ``char`` for one character."""

    text: str
    quoted: str | None = None
    char: bool = False


@dataclass(frozen=True, slots=True)
class FieldName(Node):
    """A field or protocol, of which ``layer`` (1 is the outermost) may be asked for."""

    id: str
    layer: int = 0


@dataclass(frozen=True, slots=True)
class Slice(Node):
    """Octets of a value: parts (first, length), length -1 for all that follow."""

    value: Node
    parts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """A sum, or the bits two values share."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function of a value."""

    function: str
    value: Node


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """One comparison; ``every`` says whether all occurrences must fit (None: as the operator has it)."""

    sign: str
    left: Node
    right: Node
    every: bool | None = None


@dataclass(frozen=True, slots=True)
class Among(Node):
    """A value in a set of values and ranges."""

    value: Node
    ranges: tuple[tuple[Node, Node | None], ...]
    every: bool = False


@dataclass(frozen=True, slots=True)
class Has(Node):
    """The packet has it (a field), or it is not zero (a sum)."""

    value: Node


@dataclass(frozen=True, slots=True)
class Logical(Node):
    """Two tests."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Not(Node):
    """The opposite of a test."""

    test: Node


TESTS = (Comparison, Among, Has, Logical, Not)
