"""Capturing on an interface: every packet, whole, once, and the same ones that tcpdump gets."""

from __future__ import annotations

import shutil
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sniffkit.errors import NotPermitted, UsageError
from sniffkit.lab.stage import receive
from sniffkit.sources import open_capture
from sniffkit.sources.batch import GUARD
from tests.sources.network import ROOT, Cable, batches, listening, needs_namespaces, packets, real_root, tcpdump

if TYPE_CHECKING:
    from sniffkit.sources.packed_records import Form

pytestmark = needs_namespaces

SAMPLES = sorted(path for path in (ROOT / "captures").glob("*.pcap*") if not path.name.startswith("."))
needs_tcpdump = pytest.mark.skipif(
    not shutil.which("tcpdump") or not real_root(), reason="needs tcpdump, and root, as tcpdump changes its user"
)


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    with Cable() as made:
        yield made


def octets_of(path: Path) -> list[bytes]:
    with open_capture(str(path)) as source:
        return [batch.packet(row) for batch in source for row in range(len(batch))]


def frame(length: int, number: int = 0) -> bytes:
    """A frame of an EtherType that no kernel answers."""
    return bytes.fromhex("020000000002 020000000001 88b5") + struct.pack("!I", number) + bytes(length - 18)


@needs_tcpdump
def test_what_tcpdump_gets_at_the_same_time(cable: Cable, tmp_path: Path) -> None:
    """The frames of all sample captures, sent anew: every scenario of the lab, VLAN tags and jumbo frames among them.

    The kernel takes the tag out of a tagged frame and tells it beside; both programs put it back.
    """
    sent = [each for path in SAMPLES for each in octets_of(path) if 14 < len(each) <= 9014]
    assert any(each[12:14] == b"\x81\x00" for each in sent)
    with tcpdump(cable.far, "in", tmp_path / "a.pcap"), listening(cable.far, "in") as source:
        cable.send(sent)
        got = packets(source)
    assert got == octets_of(tmp_path / "a.pcap")
    assert [each for each in got if each in set(sent)] == sent
    assert source.counters().dropped == 0
    assert source.counters().received == len(got)


@needs_tcpdump
def test_packets_larger_than_the_wire_allows(tmp_path: Path) -> None:
    """With offload the kernel hands over whole bundles of segments; they come uncut."""
    with Cable() as cable:
        cable.cable(cable.near, "big", cable.far, "bag", keep_offload=True)
        cable.near.ip("address add 10.2.0.1/24 dev big")
        cable.far.ip("address add 10.2.0.2/24 dev bag")
        content = bytes(range(256)) * 4000
        with (
            tcpdump(cable.near, "big", tmp_path / "a.pcap", "tcp"),
            listening(cable.near, "big", filter="tcp") as source,
        ):
            with cable.far.listen(80) as listener, cable.near.connect("10.2.0.2", 80) as client:
                server, _ = listener.accept()
                client.settimeout(10)
                reader = threading.Thread(target=receive, args=(server, len(content)))
                reader.start()
                client.sendall(content)
                reader.join()
                server.close()
            found = batches(source)
    got = [batch.packet(row) for batch in found for row in range(len(batch))]
    assert max(map(len, got)) > 1514
    assert all((batch.captured == batch.length).all() for batch in found)
    # Two directions on two processors: which of two packets at the same moment comes first may differ.
    assert sorted(got) == sorted(octets_of(tmp_path / "a.pcap"))


def test_loopback_shows_each_packet_once(cable: Cable) -> None:
    """Leaving and arriving are the same interface there; the kernel shows both."""
    with listening(cable.near, "lo") as source:
        send_datagrams(cable, 20)
        got = packets(source)
    assert [len(each) - 42 for each in got] == list(range(20))
    assert source.link_type == 1
    assert source.counters().received == 20


@needs_tcpdump
def test_any_shows_all_interfaces_with_a_cooked_header(cable: Cable, tmp_path: Path) -> None:
    with (
        tcpdump(cable.near, "any", tmp_path / "a.pcap", "-y", "LINUX_SLL2"),
        listening(cable.near, "any") as source,
    ):
        send_datagrams(cable, 5)
        cable.send([frame(100)])
        got = packets(source)
    assert source.link_type == 276
    assert len(got) == 6
    assert got == octets_of(tmp_path / "a.pcap")


def test_the_older_cooked_header(cable: Cable) -> None:
    with listening(cable.near, "any", link_type=113) as source:
        send_datagrams(cable, 1)
        (got,) = packets(source)
    assert got[:16].hex() == "00000304000600000000000000000800"


def send_datagrams(cable: Cable, count: int) -> None:
    """Send datagrams of 0, 1, 2 ... octets over loopback to somebody who listens."""
    with cable.near.udp(9) as listener, cable.near.open_socket(socket.SOCK_DGRAM) as sender:
        for length in range(count):
            sender.sendto(bytes(length), ("127.0.0.1", 9))
            listener.recv(100)


def test_tunnels_without_a_link_header(cable: Cable) -> None:
    """A tun device carries bare IP packets."""
    import fcntl
    import os

    device = Path("/dev/net/tun")
    if not device.exists():
        pytest.skip("this kernel has no tun devices")
    with cable.near.inside():
        handle = os.open(device, os.O_RDWR)
        fcntl.ioctl(handle, 0x400454CA, struct.pack("16sH22x", b"tun0", 0x1001))  # TUNSETIFF: IFF_TUN | IFF_NO_PI
    try:
        cable.near.setting("net.ipv6.conf.tun0.disable_ipv6", 1, required=False)
        cable.near.ip("link set tun0 up", "address add 10.9.0.1/24 dev tun0")
        with listening(cable.near, "tun0") as source, cable.near.open_socket(socket.SOCK_DGRAM) as sender:
            sender.sendto(b"hello", ("10.9.0.2", 7))
            got = packets(source)
    finally:
        os.close(handle)
    assert source.link_type == 101
    assert [(each[0], each[-5:]) for each in got] == [(0x45, b"hello")]


def test_floods_of_one_length_and_of_all_lengths(cable: Cable) -> None:
    """The reader takes long strides where packets are alike; it must not step over one that differs."""
    lengths = [60] * 2000 + [60, 61, 1000] * 300 + list(range(60, 1500, 7)) + [80] * 9 + [79] + [80] * 5000
    sent = [frame(length, number) for number, length in enumerate(lengths)]
    with listening(cable.far, "in") as source:
        cable.send(sent)
        assert packets(source) == sent


def test_times_are_the_kernels_and_go_forward(cable: Cable) -> None:
    with listening(cable.far, "in") as source:
        before = time.time_ns()
        cable.send([frame(60, number) for number in range(100)])
        found = batches(source)
        after = time.time_ns()
    times = [time for batch in found for time in batch.time_ns.tolist()]
    assert times == sorted(times)
    assert before <= times[0]
    assert times[-1] <= after
    assert len({time % 1000 for time in times}) > 10, "nanoseconds are kept"


def test_a_packet_is_there_within_a_quarter_of_a_second(cable: Cable) -> None:
    with listening(cable.far, "in") as source:
        for _ in range(3):
            cable.send([frame(60)])
            begin = time.monotonic()
            assert source.read(1.0) is not None
            assert time.monotonic() - begin < 0.25


def test_snap_length(cable: Cable) -> None:
    with listening(cable.far, "in", snap_length=68) as source:
        cable.send([frame(60), frame(500)])
        (batch,) = batches(source, 2)
    assert batch.captured.tolist() == [60, 68]
    assert batch.length.tolist() == [60, 500]


def test_a_capture_filter_runs_in_the_kernel(cable: Cable) -> None:
    sent = [each for path in SAMPLES for each in octets_of(path) if len(each) < 1500]
    with listening(cable.far, "in", filter="arp or udp port 53") as source:
        cable.send(sent)
        got = packets(source)
    assert got
    assert source.counters().received == len(got) < len(sent)
    untagged = [each if each[12:14] != b"\x81\x00" else each[:12] + each[16:] for each in got]  # the filter saw no tag
    assert all(each[12:14] == b"\x08\x06" or b"\x00\x35" in (each[34:36], each[36:38]) for each in untagged)


@pytest.mark.parametrize(
    "text", ["vlan", "vlan 5", "not vlan", "vlan 5 and udp port 53", "arp or vlan 7", "udp port 53"]
)
def test_filters_that_speak_of_tags(cable: Cable, text: str) -> None:
    """The kernel takes the tag out of the frame before it asks the filter; the filter asks the kernel for it."""
    query = bytes.fromhex("0800 4500001c 00010000 4011 0000 0a010001 0a010002 1000 0035 0008 0000") + bytes(20)
    macs = bytes.fromhex("020000000002 020000000001")
    plain, five, seven = macs + query, macs + b"\x81\x00\x00\x05" + query, macs + b"\x81\x00\x00\x07" + query
    meant = {
        "vlan": [five, seven],
        "vlan 5": [five],
        "not vlan": [plain],
        "vlan 5 and udp port 53": [five],
        "arp or vlan 7": [seven],
        "udp port 53": [plain, five, seven],
    }
    with listening(cable.far, "in", filter=text) as source:
        cable.send([plain, five, seven])
        got = packets(source)
    assert source.sees_tags
    assert [each for each in got if each[6:12] == macs[6:]] == meant[text]


def test_a_capture_filter_on_any(cable: Cable) -> None:
    """What the kernel sees there has no link header: the filter's places are moved."""
    with listening(cable.near, "any", filter="udp dst port 9 and udp[4:2] = 8 + 3") as source:
        send_datagrams(cable, 6)
        got = packets(source)
    assert [len(each) - 48 for each in got] == [3]


def test_what_a_filter_cannot_ask_on_any(cable: Cable) -> None:
    with pytest.raises(UsageError, match=r"live\.filter-cooked"):
        listening(cable.near, "any", filter="link[3] = 1")


def test_drops_are_counted(cable: Cable) -> None:
    """Nobody fetches packets, and the ring is small: what does not fit is dropped, and the kernel says how many."""
    from sniffkit.sources.packet_ring import PacketRing

    with cable.far.inside():
        ring = PacketRing("in", blocks=4)
    cable.send([frame(1000, number) for number in range(4000)])
    kept = 0
    while (found := ring.take(0.2)) is not None:
        kept += len(found[1])
        ring.give_back()
    received, dropped = ring.counters()
    ring.close()
    assert received == 4000
    assert dropped == 4000 - kept > 0


def test_a_packet_that_says_what_the_ring_says_of_packets(cable: Cable) -> None:
    """Headers in the ring are found by the second they were written in; packets full of seconds do not mislead."""
    now = int(time.time())
    seconds = [struct.pack("=IIII", now + more, now, now + more, now) * 20 for more in range(5)]
    sent = [frame(60 + row % 90, row) + seconds[row % 5][: row % 300] for row in range(600)]
    with listening(cable.far, "in") as source:
        cable.send(sent)
        got = packets(source)
    assert got == sent


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
@pytest.mark.parametrize("sizes", [1, 5, 400])
def test_packets_of_one_size_of_a_few_and_of_many(cable: Cable, sizes: int, form: Form) -> None:
    sent = [frame(60 + row % sizes, row) for row in range(900)]
    with listening(cable.far, "in", form=form) as source:
        cable.send(sent)
        got = packets(source)
    assert got == sent


def test_a_patient_reader_rests_until_it_has_to_hurry(cable: Cable) -> None:
    from sniffkit.sources.packet_ring import PacketRing

    with cable.far.inside():
        ring = PacketRing("in", rest=60.0)
    cable.send([frame(60)])
    assert ring.take(2.0) is not None
    ring.give_back()
    cable.send([frame(60)])
    begin = time.monotonic()
    assert ring.take(0.3) is None
    assert time.monotonic() - begin >= 0.3
    ring.hurry()
    found = ring.take(2.0)
    ring.close()
    assert found is not None


def test_the_seconds_of_a_rest_count_among_those_it_may_take(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    from sniffkit.sources.packet_ring import PacketRing

    with cable.far.inside():
        ring = PacketRing("in", rest=60.0)
    cable.send([frame(60)])
    assert ring.take(2.0) is not None
    ring.give_back()
    waited: list[float] = []
    monkeypatch.setattr(ring, "_wait", waited.append)
    ring._rested_until = time.monotonic() + 0.3
    assert ring.take(0.4) is None
    assert 0.1 <= waited[0] < 0.4
    ring.close()


def test_a_recorder_that_starts_late_ends_in_time(cable: Cable) -> None:
    """Between the opening of an interface and the first look modules are loaded and rights given up."""
    from sniffkit.sources.recorder import Recorder

    with listening(cable.far, "in") as source:
        recorder = Recorder(source, seconds=0.4)
        cable.send([frame(60)])
        time.sleep(0.6)
        cable.send([frame(61)])
        recorder.start()
        found = recorder.take(2.0)
        assert found is not None
        assert found.length.tolist() == [60]
        assert recorder.take(2.0) is None
        assert recorder.finished


def test_packets_are_gathered_until_they_are_due_or_the_end_comes(cable: Cable) -> None:
    from sniffkit.sources.recorder import Recorder

    with listening(cable.far, "in") as source:
        recorder = Recorder(source)
        recorder.start()
        cable.send([frame(60, number) for number in range(3)])
        assert recorder.take(0.4, gather=60.0) is None
        assert recorder.waiting == 3
        due = recorder.take(2.0, gather=0.5)
        assert due is not None
        assert len(due) == 3
        cable.send([frame(60)])
        assert recorder.take(0.4, gather=60.0) is None
        recorder.stop()
        last = recorder.take(2.0, gather=60.0)
        assert last is not None
        assert len(last) == 1


def test_an_interface_that_goes_away() -> None:
    with Cable() as cable, listening(cable.far, "in") as source:
        cable.send([frame(60)])
        assert len(packets(source)) == 1
        cable.near.ip("link del out")
        end = time.monotonic() + 2
        while not source.gone and time.monotonic() < end:
            source.read(0.1)
        assert source.gone == "Network is down"


def test_an_interface_that_is_off(cable: Cable) -> None:
    cable.near.ip("link add asleep type bridge")
    with pytest.raises(NotPermitted, match=r"live\.interface-down"):
        listening(cable.near, "asleep")


def test_no_such_interface_names_those_there_are(cable: Cable) -> None:
    with pytest.raises(NotPermitted) as error:
        listening(cable.near, "eth7")
    assert error.value.id == "live.no-such-interface"
    assert "out" in str(error.value.values["known"])


def test_through_scapy_and_through_the_ring_batches_have_the_same_shape(cable: Cable) -> None:
    """Both at once: octets, lengths and types of the columns; a snap length cuts both alike."""
    sent = [frame(60 + 10 * number, number) for number in range(20)]
    with (
        listening(cable.far, "in", snap_length=128) as ring,
        listening(cable.far, "in", snap_length=128, through="scapy") as sockets,
    ):
        cable.send(sent)
        found = [batches(ring), batches(sockets)]
    assert (ring.link_type, sockets.link_type) == (1, 1)
    columns = ("octets", "offset", "captured", "length", "time_ns", "link_type", "interface")
    kinds = [{name: getattr(part[0], name).dtype for name in columns} for part in found]
    assert kinds[0] == kinds[1]
    told = [[(each.packet(row), int(each.length[row])) for each in part for row in range(len(each))] for part in found]
    assert told[0] == told[1] == [(octets[:128], len(octets)) for octets in sent]
    assert [part[-1].first + len(part[-1]) - 1 for part in found] == [20, 20]
    for part in found:
        for batch in part:
            assert not batch.octets[-GUARD:].any()


def test_through_scapy_it_is_the_same(cable: Cable) -> None:
    """The way of systems without a packet ring."""
    with listening(cable.near, "lo", through="scapy") as source:
        send_datagrams(cable, 20)
        found = batches(source)
    got = [batch.packet(row) for batch in found for row in range(len(batch))]
    assert [len(each) - 42 for each in got] == list(range(20))
    assert source.through == "scapy"
    assert source.counters().dropped is None
    assert abs(int(found[0].time_ns[0]) - time.time_ns()) < 10e9
