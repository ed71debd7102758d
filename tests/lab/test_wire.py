"""A rule of the wire falls on the frame it names and on no other."""

from __future__ import annotations

import pytest

from sniffkit.lab.frame import Frame
from sniffkit.lab.wire import NEAR, Recording, Rule
from sniffkit.sources.writer import PcapWriter


class Server:
    addresses = ("93.184.216.34",)


def test_the_second_fin_of_the_server_and_nothing_else() -> None:
    rule = Rule("FIN", Server(), nth=2)  # type: ignore[arg-type]
    passing = [
        Frame(b"", "SYN", "10.0.0.2"),
        Frame(b"", "FIN", "10.0.0.2"),
        Frame(b"", "FIN", "93.184.216.34"),
        Frame(b"", "ACK", "93.184.216.34"),
        Frame(b"", "FIN", "93.184.216.34"),
        Frame(b"", "FIN", "93.184.216.34"),
    ]
    assert [rule.fits(frame) for frame in passing] == [False, False, False, False, True, False]


def test_nth_0_means_every_one() -> None:
    rule = Rule("SYN", None, nth=0)
    assert [rule.fits(Frame(b"", kind)) for kind in ("SYN", "SYN,ACK", "SYN")] == [True, False, True]


def test_any_counts_all_frames() -> None:
    rule = Rule("any", None, nth=2)
    assert [rule.fits(Frame(b"", kind)) for kind in ("ARP", "UDP", "SYN")] == [False, True, False]


@pytest.mark.parametrize(("at", "running", "written"), [((NEAR,), True, 1), (("far",), True, 0), ((NEAR,), False, 0)])
def test_a_recording_writes_what_passes_its_place_while_it_runs(
    tmp_path, at: tuple[str, ...], running: bool, written: int
) -> None:
    with PcapWriter(open(tmp_path / "a.pcap", "wb")) as writer:
        Recording(writer, at, running=running).saw(NEAR, Frame(bytes(60), "UDP"))
        assert writer.written == written
