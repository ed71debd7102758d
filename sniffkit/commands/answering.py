"""``flows --jobs 2``, seen from the second process: it reads, makes batches ready, and at the end makes records too."""

from __future__ import annotations

import os
import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sniffkit.analysis.flows.flow_parts import FlowPart
    from sniffkit.analysis.flows.shared_memory import Line
    from sniffkit.analysis.streams import PairStreams, Streams
    from sniffkit.explanations.flow_record import FlowRecords


_HUNGRY = 2
"""So many slots that are free say that at most one batch waits to be added."""


def answer() -> None:
    """Do what the command line asks for: it names the descriptors to use, then what to look for, then the captures."""
    from sniffkit.analysis.flows.shared_memory import Line

    files = [int(number) for number in sys.argv[1].split(",") if number]
    asking, shared = [*files, None, None][:2]
    writing = os.dup(1)
    os.dup2(2, 1)  # whatever else is printed must not come between the words
    code = 1  # where not even an error can be said
    with suppress(BaseException):
        _answer(Line(asking, writing, shared), sys.argv[2:])
        code = 0
    os._exit(code)


def _answer(line: Line, asked: list[str]) -> None:
    """Say batch after batch, then answer what is asked."""
    count = int(asked[0])
    findings, jobs, batch_octets, *display_filter = asked[1 : 1 + count]
    failure: BaseException
    try:
        _read(line, asked[1 + count :], display_filter, findings == "1", int(jobs), int(batch_octets))
        _write(line)
    except BrokenPipeError:
        return  # the first process has ended
    except MemoryError:
        failure = MemoryError()  # without the frames of where it happened, which hold what is too much
    except (Exception, KeyboardInterrupt) as error:
        failure = error
    else:
        return
    line.say({"error": failure})


def _read(
    line: Line, paths: list[str], display_filter: list[str], findings: bool, jobs: int, batch_octets: int
) -> None:
    import numpy as np

    from sniffkit.analysis.flows.prepared import Preparer
    from sniffkit.analysis.flows.shared_memory import SLOTS
    from sniffkit.analysis.flows.travelling import batch_columns
    from sniffkit.analysis.read_ahead import read_ahead
    from sniffkit.commands.filtering import PacketFilter
    from sniffkit.sources import open_captures

    with open_captures(paths, batch_octets=batch_octets) as source:
        preparer = Preparer(findings=findings)
        if display_filter:
            packets = PacketFilter(display_filter[0])
            packets.read_from(source)
            preparer.choose = lambda batch: packets.feed(batch)[1]
        line.say({"opened": True})
        streams: list[Streams | PairStreams] = [preparer.streams, preparer.udp, preparer.echo]
        known = [0, 0, 0]
        free = deque(range(SLOTS if line.shares else 0))
        for prepared in read_ahead(source, preparer.prepare) if jobs > 2 else map(preparer.prepare, source):
            ends = [one.ends(np.arange(begin, one.count)) for one, begin in zip(streams, known, strict=True)]
            known = [begin + len(four[0]) for begin, four in zip(known, ends, strict=True)]
            columns, rest = batch_columns(prepared, ends)
            while line.shares and (not free or line.heard()):
                free.append(_heard(line))
            slot = free[0] if free else None
            if line.say(rest | {"read": source.octets_read, "total": source.octets_total}, columns, slot):
                free.popleft()
            preparer.adds_up = len(free) < _HUNGRY  # else the first process waits for us: it may do more itself
        line.say({"damage": source.damage, "untold": source.damage_untold, "checksums": preparer.checksums})


def _heard(line: Line) -> int:
    """Wait until the first process has done with a slot, and return which."""
    word = line.hear()
    if word is None:
        raise BrokenPipeError
    slot: int = word.rest["free"]
    return slot


def _write(line: Line) -> None:
    """Make the records of the conversations that are sent here, until nobody asks any more."""
    import numpy as np

    from sniffkit.analysis.flows.travelling import part_of
    from sniffkit.commands.reading import collect_rarely
    from sniffkit.explanations.catalogue import Catalogue
    from sniffkit.explanations.flow_record import FlowRecords

    collect_rarely()
    records: FlowRecords | None = None
    while line.shares and (word := line.hear()) is not None:
        if "free" in word.rest:
            continue
        records = records or FlowRecords(Catalogue(word.rest["language"]))
        text = np.frombuffer(lines_of(part_of(word.columns, word.rest), records), np.uint8)
        line.say({}, {"text": (text, text.dtype)}, word.slot)


def lines_of(part: FlowPart, records: FlowRecords) -> bytes:
    """Return conversations as ``--json`` writes them."""
    from sniffkit.explanations.flow_record import FEW
    from sniffkit.renderers.json_columns import json_lines

    return b"".join(json_lines(records.columns(part), len(part), FEW))
