"""Why the fields of a TCP segment have the values they have here: the sums a learner would do by hand."""

from __future__ import annotations

from collections.abc import Callable

from sniffkit.explanations.asked_field import NOT_USED, UNKNOWN, Asked, Reason, because

NUMBERS = 2**32
"""Sequence numbers are counted modulo this (RFC 9293 section 3.4)."""

SENT_AGAIN = {"retransmission", "fast_retransmission", "spurious_retransmission"}

ETHERNET_MTU = 1500


def is_set(asked: Asked, flag: str) -> bool:
    """Tell whether ``tcp.flags.<flag>`` is set in this segment."""
    return asked.beside(f"tcp.flags.{flag}") == 1


def data_length(asked: Asked) -> int | None:
    """Return how many octets of data the segment carries, None where unknown (quoted in an ICMP error)."""
    return asked.facts.get("payload_length", asked.beside("tcp.len"))


def sequence_number(asked: Asked) -> Reason | None:
    """Why ``tcp.seq`` or ``tcp.seq_raw``: what it stands for, and with which number this end goes on."""
    length, syn, fin = data_length(asked), is_set(asked, "syn"), is_set(asked, "fin")
    if length is None or asked.value is None:
        return None
    seq, relative = asked.number, asked.id == "tcp.seq"
    end = seq + length
    following = (end + syn + fin) % NUMBERS
    marks = set(asked.facts.get("marks", ()))
    if is_set(asked, "reset"):
        kind = "refused" if seq == 0 and is_set(asked, "ack") and not relative else "reset"
        return because(f"tcp.seq.{kind}", seq=seq)
    if syn:
        if length:
            return because("tcp.seq.syn-data", seq=seq, length=length, next=following)
        return because("tcp.seq.syn-relative" if relative else "tcp.seq.syn", seq=seq, next=following)
    if "keep_alive" in marks:
        return because("tcp.seq.keep-alive", seq=seq, next=(seq + 1) % NUMBERS)
    if marks & SENT_AGAIN and length:
        return because("tcp.seq.again", seq=seq, last=(end - 1) % NUMBERS, length=length)
    if fin and length:
        return because("tcp.seq.fin-data", seq=seq, length=length, fin=end % NUMBERS, next=following)
    if fin:
        return because("tcp.seq.fin", seq=seq, next=following)
    if not length:
        return because("tcp.seq.bare", seq=seq)
    if length == 1:
        return because("tcp.seq.one", seq=seq, next=following)
    if end > NUMBERS:
        return because("tcp.seq.wraps", seq=seq, length=length, next=following)
    return because("tcp.seq.data", seq=seq, length=length, last=(end - 1) % NUMBERS, next=following)


def acknowledgment_number(asked: Asked) -> Reason | None:
    """Why ``tcp.ack`` or ``tcp.ack_raw``: what it confirms, as a sum, and which packet it answers."""
    if asked.value is None:
        return None
    if not is_set(asked, "ack"):
        return because("tcp.ack.syn" if is_set(asked, "syn") else "tcp.ack.not-set", ack=asked.number)
    ack, steps = asked.number, asked.facts.get("steps", ())
    last = (ack - 1) % NUMBERS
    if is_set(asked, "reset"):
        return because("tcp.ack.refused" if asked.facts.get("phase") == "refused" else "tcp.ack.reset", ack=ack)
    if is_set(asked, "syn") or "handshake.ack" in steps:
        answers = "handshake.ack" if "handshake.ack" in steps else "syn-ack"
        if asked.facts.get("ack_advance", 1) > 1:  # data on the SYN (RFC 7413) is confirmed with it
            answers = "sum"
        else:
            return because(f"tcp.ack.{answers}", ack=ack, syn=last)
    if {"teardown.ack-1", "teardown.ack-2"} & set(steps):
        return because("tcp.ack.fin", ack=ack, fin=last)
    advance = ack_advance(asked)
    if advance is None:
        return because("tcp.ack.plain", ack=ack, last=last)
    if advance <= 0:
        marks = asked.facts.get("marks", ())
        return because("tcp.ack.duplicate" if "duplicate_ack" in marks else "tcp.ack.same", ack=ack)
    values = {"before": (ack - advance) % NUMBERS, "advance": advance, "ack": ack, "last": last}
    packet, elapsed = asked.facts.get("acked_packet"), asked.facts.get("acked_rtt_ns")
    if packet is None or elapsed is None:
        return because("tcp.ack.sum", **values)
    return because("tcp.ack.sum-answers", **values, packet=packet, elapsed_ns=elapsed)


def ack_advance(asked: Asked) -> int | None:
    """Return how many octets this ack newly acknowledges, None where that is not known."""
    facts = asked.facts
    if "ack_advance" in facts:
        return facts["ack_advance"]
    if "ack_previous" in facts and "relative_ack" in facts:
        return facts["relative_ack"] - facts["ack_previous"]
    return None


def next_sequence_number(asked: Asked) -> Reason | None:
    """Why ``tcp.nxtseq``: the sum it is."""
    length = data_length(asked)
    counted = is_set(asked, "syn") or is_set(asked, "fin")
    if length is None:
        return None
    seq = (asked.number - length - counted) % NUMBERS
    return because("tcp.next.counted" if counted else "tcp.next", seq=seq, length=length, next=asked.number)


def header_length(asked: Asked) -> Reason | None:
    """Why ``tcp.hdr_len``: 4-octet words, and how many of its octets are options."""
    octets = asked.number
    if octets < 20:
        return because("tcp.header-length.short", words=octets // 4, octets=octets)
    if octets == 20:
        return because("tcp.header-length.bare")
    return because("tcp.header-length.options", words=octets // 4, octets=octets, options=octets - 20)


def data_octets(asked: Asked) -> Reason | None:
    """Why ``tcp.len``: what is left of the IP datagram after both headers."""
    header = asked.beside("tcp.hdr_len")
    below = next((layer for layer in reversed(asked.packet.layers) if layer.offset < asked.layer.offset), None)
    total, ip_header = (below.first("ip.len"), below.first("ip.hdr_len")) if below is not None else (None, None)
    if header is None or total is None or ip_header is None or not isinstance(ip_header.value, int):
        return None
    if not isinstance(total.value, int) or total.value - ip_header.value - header != asked.number:
        return None
    return because("tcp.length", total=total.value, ip=ip_header.value, tcp=header, length=asked.number)


def all_flags(asked: Asked) -> Reason | None:
    """Why ``tcp.flags``: the names of those that are set."""
    names = [
        name
        for name, flag in (("FIN", "fin"), ("SYN", "syn"), ("RST", "reset"), ("PSH", "push"), ("ACK", "ack"),
                           ("URG", "urg"), ("ECE", "ece"), ("CWR", "cwr"), ("AE", "ae"))
        if is_set(asked, flag)
    ]  # fmt: skip
    if not names:
        return because("tcp.flags.none")
    if {"SYN", "FIN"} <= set(names):
        return because("tcp.flags.contradict", flags=tuple(names))
    return because("tcp.flags", flags=tuple(names))


def syn_flag(asked: Asked) -> Reason | None:
    """Why SYN: a request or an agreement."""
    if not asked.number:
        return None
    return because("tcp.flags.syn.agree" if is_set(asked, "ack") else "tcp.flags.syn.ask")


def ack_flag(asked: Asked) -> Reason | None:
    """Why ACK is set, or not."""
    if asked.number:
        return because("tcp.flags.ack.set")
    if is_set(asked, "syn"):
        return because("tcp.flags.ack.first-syn")
    return because("tcp.flags.ack.reset" if is_set(asked, "reset") else "tcp.flags.ack.missing")


def push_flag(asked: Asked) -> Reason | None:
    """Why PSH: most likely a write of the sender ended here (RFC 9293 section 3.9.1.2)."""
    if asked.number:
        return because("tcp.flags.push.set")
    return because("tcp.flags.push.off") if data_length(asked) and not is_set(asked, "syn") else None


def reset_flag(asked: Asked) -> Reason | None:
    """Why RST: which of its four causes it was, as far as the capture tells (RFC 9293 section 3.5.2)."""
    facts = asked.facts
    if not asked.number:
        return None
    if facts.get("phase") == "refused":
        return because("tcp.flags.reset.refused")
    end = facts.get("sender")
    before = facts.get("client", ("",))[0] if end == "client" else facts.get("server", ("",))[0]
    if before == "SYN-SENT":
        return because("tcp.flags.reset.old-duplicate")
    if before in ("CLOSED", "TIME-WAIT") or not is_set(asked, "ack"):  # systems abort with RST,ACK
        return because("tcp.flags.reset.unknown")
    return because("tcp.flags.reset.abort")


def fin_flag(asked: Asked) -> Reason | None:
    """Why FIN: the first or the second of the connection."""
    if not asked.number:
        return None
    steps = asked.facts.get("steps", ())
    if "teardown.fin-1" in steps:
        return because("tcp.flags.fin.first")
    return because("tcp.flags.fin.second" if "teardown.fin-2" in steps else "tcp.flags.fin.set")


def congestion_flag(asked: Asked) -> Reason | None:
    """Why CWR, ECE or AE: on a SYN they negotiate, later they report (RFC 3168 section 6.1, RFC 9768)."""
    if not asked.number:
        return None
    if is_set(asked, "syn"):
        if not is_set(asked, "ack"):
            accurate = is_set(asked, "ae") and is_set(asked, "cwr") and is_set(asked, "ece")
            return because("tcp.flags.ecn.offer-accurate" if accurate else "tcp.flags.ecn.offer")
        classic = is_set(asked, "ece") and not is_set(asked, "cwr") and not is_set(asked, "ae")
        return because("tcp.flags.ecn.agree" if classic else "tcp.flags.ecn.agree-accurate")
    # once accurate ECN is agreed the three bits are one counter; without the SYNs nobody can tell
    named = {"tcp.flags.ece": "tcp.flags.ecn.echo", "tcp.flags.cwr": "tcp.flags.ecn.reduced"}
    return because(named.get(asked.id, "tcp.flags.ecn.counter"))


def reserved_bits(asked: Asked) -> Reason | None:
    """Why the reserved bits: they are only worth a word when they are not zero."""
    return because("tcp.flags.reserved") if asked.number else None


def urgent_pointer(asked: Asked) -> Reason | None:
    """Why the urgent pointer: seq + pointer, where URG makes it valid (RFC 9293 section 3.8.5)."""
    if not is_set(asked, "urg"):
        return because("tcp.urgent.off", pointer=asked.number)
    seq = asked.facts.get("relative_seq", asked.beside("tcp.seq_raw") or 0)
    return because("tcp.urgent.on", seq=seq, pointer=asked.number, end=(seq + asked.number) % NUMBERS)


def window(asked: Asked) -> Reason | None:
    """Why the window: what the number on the wire means in octets, and from where it counts (RFC 7323 section 2)."""
    raw, facts = asked.beside("tcp.window_size_value"), asked.facts
    if raw is None:
        return None
    if is_set(asked, "reset"):
        return because("tcp.window.reset")
    if raw == 0:
        return because("tcp.window.zero")
    if is_set(asked, "syn"):
        factor = asked.beside("tcp.options.wscale.multiplier")
        if factor is None:
            return because("tcp.window.syn", window=raw)
        return because("tcp.window.syn-scale", window=raw, factor=factor)
    scale = facts.get("window_scale")
    if scale is None or scale == UNKNOWN:
        return because("tcp.window.unknown" if scale == UNKNOWN else "tcp.window.plain", window=raw)
    ack = facts.get("relative_ack", asked.beside("tcp.ack_raw") or 0)
    if scale == NOT_USED:
        return because("tcp.window.unscaled", window=raw, ack=ack)
    return because("tcp.window.scaled", window=raw, factor=1 << scale, octets=raw << scale, ack=ack)


def maximum_segment_size(asked: Asked) -> Reason | None:
    """Why the MSS: with both headers it fills a datagram that the link carries whole (RFC 9293 section 3.7.1)."""
    ip = 40 if asked.packet.layer("ipv6") is not None else 20
    mtu = asked.number + 20 + ip
    kind = "ethernet" if mtu == ETHERNET_MTU else "other"
    return because(f"tcp.mss.{kind}", mss=asked.number, ip=ip, mtu=mtu)


def window_scale(asked: Asked) -> Reason | None:
    """Why the shift count: the factor it makes (RFC 7323 section 2.2)."""
    if asked.number > 14:
        return because("tcp.scale.large", shift=asked.number)
    return because("tcp.scale", shift=asked.number, factor=1 << asked.number)


def sack_edge(asked: Asked) -> Reason | None:
    """Why an edge of a SACK block: what has arrived, and what is missing before it (RFC 2018, RFC 2883)."""
    edges = [value for value in asked.layer.fields if value.id in ("tcp.options.sack_le", "tcp.options.sack_re")]
    place = next(place for place, value in enumerate(edges) if value is asked.field) // 2 * 2
    pair = [value.value for value in edges[place : place + 2] if isinstance(value.value, int)]
    raw_ack = asked.beside("tcp.ack_raw")
    if len(pair) < 2 or raw_ack is None:
        return None
    shift = asked.facts.get("relative_ack", raw_ack) - raw_ack
    left, right, ack = ((number + shift) % NUMBERS for number in (*pair, raw_ack))
    values = {"left": left, "right": right, "last": (right - 1) % NUMBERS, "octets": (right - left) % NUMBERS}
    if (pair[0] - raw_ack) % NUMBERS >= NUMBERS // 2:
        return because("tcp.sack.twice", **values)
    return because("tcp.sack", **values, ack=ack, missing=(left - 1) % NUMBERS)


def timestamp_echo(asked: Asked) -> Reason | None:
    """Why the echoed timestamp: nothing to echo yet, or the other end's clock sent back."""
    return because("tcp.timestamp.echo" if is_set(asked, "ack") else "tcp.timestamp.first")


def fast_open_cookie(asked: Asked) -> Reason | None:
    """Why the cookie: given by the server or shown by the client (RFC 7413)."""
    return because("tcp.fast-open.give" if is_set(asked, "ack") else "tcp.fast-open.show")


TCP_REASONS: dict[str, Callable[[Asked], Reason | None]] = {
    "tcp.seq": sequence_number,
    "tcp.seq_raw": sequence_number,
    "tcp.nxtseq": next_sequence_number,
    "tcp.ack": acknowledgment_number,
    "tcp.ack_raw": acknowledgment_number,
    "tcp.hdr_len": header_length,
    "tcp.len": data_octets,
    "tcp.flags": all_flags,
    "tcp.flags.res": reserved_bits,
    "tcp.flags.ae": congestion_flag,
    "tcp.flags.cwr": congestion_flag,
    "tcp.flags.ece": congestion_flag,
    "tcp.flags.ack": ack_flag,
    "tcp.flags.push": push_flag,
    "tcp.flags.reset": reset_flag,
    "tcp.flags.syn": syn_flag,
    "tcp.flags.fin": fin_flag,
    "tcp.window_size_value": window,
    "tcp.window_size": window,
    "tcp.urgent_pointer": urgent_pointer,
    "tcp.options.mss_val": maximum_segment_size,
    "tcp.options.wscale.shift": window_scale,
    "tcp.options.sack_le": sack_edge,
    "tcp.options.sack_re": sack_edge,
    "tcp.options.timestamp.tsecr": timestamp_echo,
    "tcp.options.tfo.cookie": fast_open_cookie,
}
