"""A fact: something true of one packet, as an id and values; ``explanations`` puts it into words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Level = Literal["lesson", "note", "warning"]


@dataclass(frozen=True, slots=True)
class Fact:
    """An id such as ``tcp.handshake.syn``, how loud it is, and the values its sentence needs."""

    id: str
    level: Level = "lesson"
    values: dict[str, object] = field(default_factory=dict)
