"""What a source keeps is bounded: damage, comments and names are told up to a number, the rest is counted."""

from __future__ import annotations

import pytest

from sniffkit.sources.source import DAMAGE_TOLD, TEXT_KEPT, TEXTS_KEPT, Source


def test_damage_beyond_the_list_is_counted() -> None:
    source = Source("a.pcap", "pcap")
    for number in range(DAMAGE_TOLD + 5):
        source.note_damage("pcap.packet-cut", packet=number)
    assert len(source.damage) == DAMAGE_TOLD
    assert source.damage_untold == 5
    assert source.damage[0].values == {"file": "a.pcap", "packet": 0}


def test_comments_and_names_have_their_bounds() -> None:
    source = Source("a.pcapng", "pcapng")
    for number in range(TEXTS_KEPT + 5):
        source.note_comment(number, "long" * TEXT_KEPT)
        source.note_name(f"{number}", "name")
    source.note_name("0", "another name of the same address")
    assert len(source.comments) == len(source.names) == TEXTS_KEPT
    assert len(source.comments[0].text) == TEXT_KEPT
    assert source.names["0"] == "name"


def test_leaving_the_with_closes_even_after_an_error() -> None:
    closed = []

    class Closing(Source):
        def close(self) -> None:
            closed.append(self.name)

    with pytest.raises(KeyError), Closing("a.pcap", "pcap") as source:
        raise KeyError(source.name)
    assert closed == ["a.pcap"]
