"""A lesson: what there is to say, in the reader's language, before anybody decides how it looks."""

from __future__ import annotations

from dataclasses import dataclass, field

from sniffkit.analysis.facts import Level


@dataclass(frozen=True, slots=True)
class Note:
    """One thing worth knowing about a packet.

    filters: what it stands on as filters for other programs, in words; empty where they were told before
    """

    id: str
    level: Level
    text: str
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EndState:
    """An end of a connection before and after a packet: names as the RFC prints them."""

    end: str
    before: str
    after: str
    name: str


@dataclass(frozen=True, slots=True)
class Line:
    """A packet in one line; the texts are escaped already and are the same in every language."""

    number: int
    time: str
    source: str
    destination: str
    protocol: str
    length: int
    summary: str


@dataclass(frozen=True, slots=True)
class Branch:
    """What stands below a packet because it was done for its sake; ``seen`` is false where the capture lacks it."""

    head: str
    notes: tuple[Note, ...] = ()
    branches: tuple[Branch, ...] = ()
    seen: bool = True


@dataclass(frozen=True, slots=True)
class PacketLesson:
    """A packet that is told: its line, the step it takes, both ends' states, the notes, and what was done for it."""

    line: Line
    step: str = ""
    states: tuple[EndState, ...] = ()
    notes: tuple[Note, ...] = ()
    branches: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True)
class Fold:
    """A run of quiet packets told in one line."""

    first: int
    last: int
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under headings; ``right`` names the columns whose cells stand flush right.

    hanging: where the last column is too wide for the screen, only its long cells leave their place
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()
    note: str = ""
    hanging: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands at the end of a capture: a heading, tables, and paragraphs."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    limits: tuple[Note, ...] = field(default=())
