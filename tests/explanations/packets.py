"""Packets of the sample captures, and made-up ones, as the views a reader gets."""

from __future__ import annotations

from pathlib import Path

from sniffkit.analysis.capture import CaptureAnalysis
from sniffkit.explanations.catalogue import Catalogue
from sniffkit.explanations.language import Language
from sniffkit.explanations.lesson import Line, PacketLesson
from sniffkit.explanations.listing import Listing
from sniffkit.explanations.packet_view import FieldView, PacketView, PacketViews
from sniffkit.explanations.story import Story
from sniffkit.protocols.packet import read_packet
from sniffkit.sources import open_captures

CAPTURES = Path(__file__).parents[2] / "captures"

NO_LESSON = PacketLesson(Line(1, "0.000000", "a", "b", "?", 0, ""))


def views(name: str, language: Language = "en", *, full: bool = False, once: bool = False) -> list[PacketView]:
    """Every packet of a sample capture."""
    catalogue = Catalogue(language)
    analysis, listing = CaptureAnalysis(), Listing()
    story, maker = Story(catalogue, unfolded=True), PacketViews(catalogue, full=full, once=once)
    found = []
    with open_captures([str(CAPTURES / name)]) as source:
        for batch in source:
            facts = analysis.feed(batch)
            maker.feed(facts)
            lines = listing.lines(facts)
            for lesson in story.tell(facts, lines):
                assert isinstance(lesson, PacketLesson)
                found.append(maker.view(facts, lesson.line.number - lines.number, lesson))
    return found


def view_of(octets: bytes, link_type: int = 1, length: int = 0, language: Language = "en") -> PacketView:
    """A packet by itself, of which nothing is known but its octets."""
    length = max(length, len(octets))
    packet = read_packet(octets, link_type, length)
    return PacketViews(Catalogue(language), full=True).of(packet, octets, length, {}, NO_LESSON)


def field(view: PacketView, id: str) -> FieldView:
    """The first field with an id."""
    return next(field for layer in view.layers for field in layer.fields if field.id == id)
