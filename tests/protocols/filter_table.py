"""Display filters of every kind, one a line; test_display_filter.py compares what they mean with what tshark says."""

from __future__ import annotations

FILTERS = r"""
# a protocol or field is there
eth
ip
ipv6
arp
tcp
udp
icmp
icmpv6
vlan
dns
mdns
llc
gre
mpls
vxlan
geneve
pppoes
ppp
ipv6.fraghdr
ipv6.hopopts
frame
tcp.options.mss_val
tcp.options.wscale.shift
tcp.options.sack_perm
tcp.options.sack_le
tcp.options.timestamp.tsval
tcp.payload
udp.payload
eth.len
eth.type
vlan.id
icmp.seq
icmp.mtu
icmpv6.nd.ns.target_address
ip.opt.type
dns.a
dns.aaaa
dns.cname
dns.qry.name
dns.flags.rcode
dns.resp.ttl
tcp.analysis.retransmission
tcp.analysis.out_of_order
tcp.analysis.duplicate_ack
tcp.analysis.lost_segment
tcp.analysis.keep_alive
tcp.analysis.zero_window
tcp.analysis.window_update
tcp.analysis.window_full
tcp.analysis.reused_ports
tcp.analysis.fast_retransmission
tcp.analysis.spurious_retransmission
tcp.analysis.ack_lost_segment
tcp.analysis.keep_alive_ack
tcp.analysis.zero_window_probe
tcp.analysis.flags
tcp.analysis
tcp.analysis.initial_rtt
tcp.analysis.ack_rtt
tcp.analysis.acks_frame
tcp.analysis.bytes_in_flight
tcp.connection.syn
tcp.connection.synack
tcp.connection.fin
tcp.connection.fin_active
tcp.connection.fin_passive
tcp.connection.rst

# numbers: every comparison, in both spellings
tcp.srcport == 80
tcp.srcport eq 80
tcp.srcport != 80
tcp.srcport ne 80
tcp.srcport > 1024
tcp.srcport gt 1024
tcp.srcport >= 50000
tcp.srcport ge 50000
tcp.srcport < 1024
tcp.srcport lt 1024
tcp.srcport <= 443
tcp.srcport le 443
ip.ttl == 64
ip.ttl == 0x40
ip.ttl == 0100
ip.ttl == 0b1000000
ip.ttl == '@'
ip.ttl < 64
ip.ttl <= 64
ip.ttl > 64
ip.ttl > 200
ip.len > 1000
ip.len == 40
ip.hdr_len > 20
ip.hdr_len == 20
ip.proto == 6
ip.proto == 17
ip.proto != 6
ip.id == 0
ip.id == 0x0000
ip.checksum == 0
ip.frag_offset > 0
ip.version == 4
ip.version == 6
ip.dsfield.dscp > 0
ip.dsfield.ecn == 0
ip.dsfield == 0x10
ip.flags == 2
ip.flags.rb == 0
ip.flags.df == 1
ip.flags.mf == 1
ip.flags.df
ip.flags.mf == True
ip.flags.mf == False
ipv6.hlim == 255
ipv6.nxt == 58
ipv6.plen < 40
ipv6.tclass == 0
ipv6.flow != 0
tcp.hdr_len > 20
tcp.len == 0
tcp.len > 0
tcp.len > 1000
tcp.window_size == 0
tcp.window_size > 60000
tcp.window_size_value == 0
tcp.window_size_scalefactor == 128
tcp.window_size_scalefactor == -1
tcp.window_size_scalefactor < 0
tcp.urgent_pointer > 0
tcp.checksum == 0x0000
tcp.seq == 0
tcp.seq == 1
tcp.seq > 1000
tcp.ack == 1
tcp.ack > 100
tcp.nxtseq == 1
tcp.seq_raw > 2147483648
tcp.ack_raw == 0
tcp.stream == 0
tcp.stream eq 3
tcp.stream > 5
udp.stream == 0
udp.stream > 2
udp.length > 100
udp.length == 8
udp.srcport == 53
udp.dstport == 53
udp.port == 53
udp.port != 53
udp.checksum == 0
tcp.port == 80
tcp.port != 80
tcp.port > 40000
tcp.port < 80
tcp.port == 443 || tcp.port == 80
tcp.completeness == 31
tcp.completeness == 0
tcp.completeness & 1
tcp.options.mss_val == 1460
tcp.options.mss_val < 1460
tcp.options.wscale.shift == 7
tcp.options.timestamp.tsecr == 0
tcp.options.sack_le > 0
icmp.type == 8
icmp.type == 0
icmp.type == 3 && icmp.code == 3
icmp.code != 0
icmp.seq == 1
icmpv6.type == 135
icmpv6.type in {135, 136}
icmpv6.code == 0
arp.opcode == 1
arp.opcode == 2
arp.hw.type == 1
arp.proto.type == 0x0800
vlan.id == 100
vlan.id > 0
vlan.priority == 0
vlan.etype == 0x0800
eth.type == 0x0800
eth.type == 0x86dd
eth.type == 0x0806
eth.len < 100
dns.id == 0
dns.id > 0x8000
dns.qry.type == 1
dns.qry.type == 28
dns.qry.type in {1, 28}
dns.flags.response == 0
dns.flags.response == 1
dns.flags.rcode == 3
dns.flags.rcode != 0
dns.count.answers > 1
dns.count.queries == 1
dns.resp.type == 1
dns.resp.ttl < 100
frame.number == 1
frame.number <= 10
frame.number > 20 and frame.number < 30
frame.len > 1000
frame.len == 60
frame.len < 64
frame.cap_len < 60
frame.cap_len != 60
frame.len > 100 && frame.len < 200
mpls.label > 0
mpls.bottom == 1
vxlan.vni > 0
geneve.vni > 0
gre.proto == 0x0800
ipv6.fraghdr.offset > 0
ipv6.fraghdr.more == 1

# flags
tcp.flags == 0x002
tcp.flags == 0x012
tcp.flags == 18
tcp.flags.syn == 1
tcp.flags.syn == True
tcp.flags.syn == False
tcp.flags.syn == 2
tcp.flags.syn
tcp.flags.syn == 1 && tcp.flags.ack == 0
tcp.flags.syn == 1 and tcp.flags.ack == 1
tcp.flags.fin == 1
tcp.flags.reset == 1
tcp.flags.push == 1 && tcp.len > 0
tcp.flags.urg == 1
tcp.flags.ece == 1
tcp.flags.cwr == 1
tcp.flags.fin == 1 || tcp.flags.reset == 1
!(tcp.flags.ack == 1)
tcp.flags.ack != 1

# bit tests and sums
tcp.flags & 0x02
tcp.flags & 2
tcp.flags & 0x02 == 2
tcp.flags & 0x12 == 0x12
tcp.flags & 0x03
tcp.flags & 0x04
!(tcp.flags & 0x10)
ip.ttl & 1
ip.ttl & 0xc0 == 0x40
ip.len + 14 > 1000
ip.len - ip.hdr_len > 500
ip.len % 2 == 1
ip.len / 2 > 300
ip.len * 2 > 2000
tcp.len + tcp.hdr_len > 500
tcp.len == 1 + 1
tcp.srcport - 1 == 79
tcp.window_size_value & 1
ip.src & 255.0.0.0 == 10.0.0.0

# addresses
ip.src == 10.0.0.1
ip.src == 10.0.0.2
ip.dst == 10.0.0.2
ip.addr == 10.0.0.2
ip.addr == 10.0.0.0/8
ip.addr == 10.0.0.0/24
ip.addr != 10.0.0.2
!(ip.addr == 10.0.0.2)
not ip.addr == 10.0.0.2
ip.src != 10.0.0.2
ip.src == 192.168.0.0/16
ip.dst == 224.0.0.0/4
ip.src == 0.0.0.0/0
ip.src > 128.0.0.0
ip.src < 128.0.0.0
ip.src >= 192.168.0.0
ip.src <= 10.255.255.255
ip.addr == 255.255.255.255
ip.src == ip.dst
ip.src != ip.dst
ip.src < ip.dst
ipv6.src == fe80::/10
ipv6.addr == fe80::/10
ipv6.dst == ff00::/8
ipv6.dst == ff02::1
ipv6.src == ::
ipv6.addr == 2001:db8::/32
ipv6.addr != fe80::/10
ipv6.src > 8000::
ipv6.src < 8000::
ipv6.src == ipv6.dst
eth.src == 02:00:00:00:00:02
eth.dst == ff:ff:ff:ff:ff:ff
eth.dst == FF-FF-FF-FF-FF-FF
eth.addr == ff:ff:ff:ff:ff:ff
eth.addr != ff:ff:ff:ff:ff:ff
eth.src == eth.dst
eth.src > eth.dst
eth.src > 80:00:00:00:00:00
arp.src.proto_ipv4 == 10.0.0.0/8
arp.dst.hw_mac == 00:00:00:00:00:00
arp.src.proto_ipv4 == arp.dst.proto_ipv4
arp.src.hw_mac == eth.src
arp.src.hw_mac != eth.src
dns.a == 10.0.0.0/8

# sets and ranges
tcp.port in {80, 443, 8000..8080}
tcp.port in {1..1023}
tcp.srcport in {80}
!(tcp.port in {80})
not tcp.port in {1..1023}
ip.addr in {10.0.0.1, 10.0.0.2}
ip.addr in {10.0.0.0/24, 192.168.0.0/16}
ip.src in {10.0.0.1..10.0.0.5}
ip.ttl in {1..63, 65..127}
frame.number in {1, 3, 5..9}
eth.src in {00:00:00:00:00:00..7f:ff:ff:ff:ff:ff}
udp.port in {53, 67..68}
tcp.flags in {2, 18}
ipv6.src in {fe80::..feff::}
frame.len in {60..70, 100}

# any and all
any tcp.port > 1024
all tcp.port > 1024
any tcp.port < 100
all tcp.port < 60000
any ip.addr == 10.0.0.2
all ip.addr == 10.0.0.0/8
any ip.ttl < 64
all ip.ttl >= 64
tcp.port === 80
tcp.port === 443
tcp.port !== 80
tcp.port ~= 80
tcp.port any_eq 80
tcp.port all_ne 80
tcp.port any_ne 80
tcp.port all_eq 80
ip.addr === 10.0.0.0/8
ip.addr !== 10.0.0.0/8

# layers
ip.src#1 == 10.0.0.2
ip.src#2
ip.addr#1 == 10.0.0.0/8
ip.ttl#2 > 0
vlan.id#2
udp.port#1 == 53

# slices and octets
eth.src[0:3] == 02:00:00
eth.src[0:1] == 02
eth.src[0] == 02
eth.src[:3] == 02:00:00
eth.src[3:] == 00:00:02
eth.src[-1] == 02
eth.src[1-2] == 00:00
eth.dst[0] & 1
eth.dst[0:6] == ff:ff:ff:ff:ff:ff
ip.src[0:2] == 0a:00
ip.src[3] == 2
ip.dst[0] == e0
tcp[13] == 2
tcp[13] & 2
tcp[13] & 2 == 2
tcp[0:2] == 00:50
tcp[2:2] == 00:50
udp[0:2] == 00:35
udp[8:2] == 12:34
udp[6:2] == 00:00
udp[-1] & 1
eth[14]
ip[20]
tcp[20]
icmp[8]
arp[7] == 01
len(tcp) > 20
len(ip) == 20
len(udp) == 8
len(icmp) > 8
ipv6[6] == 3a
frame[12:2] == 08:00
frame[12:2] == 08:06
frame[0:2,12:2] == ff:ff:08:06
frame[-1] == 00
ip[0] == 45
ip[8] == 40
ip[9:1] == 06
tcp.payload[0:3] == "GET"
tcp.payload[0:4] == 48:54:54:50
udp.payload[2:2] == 01:00
dns.qry.name[0:3] == "www"
frame contains "GET"
frame contains "HTTP"
frame contains 47:45:54
frame contains 00:00:00:00
tcp contains "HTTP"
tcp contains 0d:0a
udp contains "example"
tcp.payload contains "Host"
tcp.payload contains "\r\n\r\n"
tcp.payload contains 0d:0a:0d:0a
udp.payload contains "www"
eth.src contains 02
eth.dst contains ff:ff
ip contains "GET"
eth contains "GET"
frame matches "get /"
frame matches "HTTP/1\\.[01]"
tcp matches "^.{20}"
tcp.payload matches "^GET"
tcp.payload matches "^(get|post) "
tcp.payload matches "content-[a-z]+: "
tcp.payload matches "a+b+c*$"
udp.payload matches "ex.mple"
udp matches r"\x03www"
dns.qry.name matches "^www"
dns.qry.name matches "\\.com$"
dns.qry.name matches "(a|e)x?a?m"
dns.qry.name ~ "example"
len(tcp.payload) > 100
len(tcp.payload) == 1
len(udp.payload) < 40
len(eth.src) == 6
len(dns.qry.name) > 15
count(ip.addr) == 2
count(ip.addr) > 2
count(tcp.port) == 2
count(vlan.id) == 2
upper(dns.qry.name) == "WWW.EXAMPLE.COM"
lower(dns.qry.name) contains "example"

# texts
dns.qry.name == "www.example.com"
dns.qry.name != "www.example.com"
dns.qry.name contains "example"
dns.qry.name contains "."
dns.qry.name > "m"
dns.resp.name == "www.example.com"
dns.cname contains "a"
frame.protocols contains "tcp"
frame.protocols contains "ip:udp"

# times
frame.time_relative > 0.01
frame.time_relative == 0
frame.time_delta > 1
frame.time_delta < 0
frame.time_epoch > 1700000000
frame.time_epoch < 1700000000.5
tcp.time_relative > 0.1
tcp.time_delta > 0.05
tcp.time_delta == 0
tcp.analysis.ack_rtt > 0.02
tcp.analysis.ack_rtt < 0.001
tcp.analysis.initial_rtt > 0.02
tcp.analysis.bytes_in_flight > 1000
tcp.analysis.acks_frame < 10
tcp.analysis.duplicate_ack_num > 1
tcp.analysis.rto > 0.2

# logic
tcp && ip.ttl == 64
tcp and ip.ttl == 64
tcp || arp
tcp or arp
tcp or arp and udp
(tcp or arp) and ip
udp && !dns
udp and not dns
not tcp and not udp
!tcp
! tcp && ip
!(tcp || udp)
not (tcp and ip.ttl == 64)
tcp && tcp.len > 0 && tcp.flags.push == 1
((tcp))
(((tcp.srcport == 80)) or (udp.srcport == 53))
not not tcp
tcp.srcport == 80 and not tcp.flags.syn == 1 or arp
arp or tcp.srcport == 80 and not tcp.flags.syn == 1
ip && (tcp.port == 80 || udp.port == 53) && !(ip.ttl > 200)
tcp.srcport < tcp.dstport
tcp.srcport > tcp.dstport
tcp.srcport == tcp.dstport
tcp.seq > tcp.ack
tcp.len < tcp.window_size
tcp.srcport < tcp.dstport < 60000
ip.len == udp.length
frame.len == frame.cap_len
frame.len > frame.cap_len
frame.len != frame.cap_len
tcp.len == tcp.options.mss_val
icmp && udp
icmp and ip.src#2 == 10.0.0.0/8
"""

TABLE = [line for line in FILTERS.splitlines() if line and not line.startswith("#")]

SAMPLES = (
    "http-exchange.pcapng", "dns-lookup.pcap", "arp-ping.pcap", "vlan.pcap", "ipv6-neighbour-discovery.pcapng",
    "handshake-close-4.pcap", "lost-segment.pcap", "repeated-segment.pcap", "out-of-order.pcap", "zero-window.pcap",
    "keepalive.pcap", "port-reuse.pcap", "refused-port.pcap", "udp-closed-port.pcap", "snap-length.pcap",
    "midstream.pcap", "simultaneous-open.pcap", "timeout-retransmission.pcap", "unanswered-syn.pcap",
)  # fmt: skip

CORPUS_CAPTURES = (
    "the-tcpdump-group+tcpdump/tests/erspan-type-ii-3.pcap",
    "arkime+arkime/tests/pcap/twovlan.pcap",
    "ntop+nDPI/tests/cfgs/default/pcap/dns_fragmented.pcap",
    "appneta+tcpreplay/test/test2.rewrite_mac_seed",
    "ntop+nDPI/tests/cfgs/default/pcap/vxlan.pcap",
    "seladb+PcapPlusPlus/Tests/Pcap++Test/PcapExamples/ip6_fragments.pcap",
    "OISF+suricata-verify/tests/pppoe/input.pcap",
    "zeek+zeek/testing/btest/Traces/wikipedia-filtered-plus-udp.pcap",
    "the-tcpdump-group+tcpdump/tests/geneve.pcap",
    "seladb+PcapPlusPlus/Tests/Packet++Test/PacketExamples/ipv6_options.pcap",
    "seladb+PcapPlusPlus/Tests/Pcap++Test/PcapExamples/ICMPv6_echos.cap",
    "zeek+zeek/testing/btest/Traces/tcp/retransmit-fast009.pcap",
    "OISF+suricata-verify/tests/dns-eve-type-filtering/test.pcap",
    "seladb+PcapPlusPlus/Tests/Pcap++Test/PcapExamples/IgmpPackets.pcap",
)
"""Captures with tunnels, fragments, tags and much else, all of them on Ethernet."""
