"""Scenarios of programs that ask and answer: UDP, DNS, a page fetched by HTTP."""

from __future__ import annotations

import contextlib
import http.server
import struct
import threading
from typing import TYPE_CHECKING

from sniffkit.lab.host import FIRST_PORT
from sniffkit.lab.stage import DNS, SERVER, WEB

if TYPE_CHECKING:
    import socket

    from sniffkit.lab.stage import Stage

DNS_PORT = 53
ECHO_PORT = 7
NAME = "www.example.com"
ADDRESS_RECORD = 1
INTERNET = 1
NAME_AT_12 = 0xC00C
"""A compressed name (RFC 1035 section 4.1.4): "as at octet 12", where the question's name stands."""
RECURSION_DESIRED = 0x0100
ANSWERED = 0x8180
"""Response, recursion desired and available, no error."""
NO_SUCH_NAME = 0x8183
PAGE = b"<!doctype html>\n<title>Example</title>\n<p>You came here by ARP, DNS, TCP and HTTP.</p>\n"


def udp_question_answer(stage: Stage) -> None:
    """One datagram there, one back: no connection before it and none after it."""
    with stage.server.udp(ECHO_PORT) as server, stage.client.udp(FIRST_PORT) as client:
        client.sendto(b"What time is it?", (SERVER, ECHO_PORT))
        question, origin = server.recvfrom(2048)
        server.sendto(question.upper(), origin)
        client.recv(2048)


def udp_lost(stage: Stage) -> None:
    """Three datagrams, one of them lost on the way: nobody notices, nothing is sent again."""
    stage.line.drop("UDP", sender=stage.client, nth=2)
    with stage.server.udp(ECHO_PORT) as server, stage.client.udp(FIRST_PORT) as client:
        for number in (1, 2, 3):
            client.sendto(b"datagram %d" % number, (SERVER, ECHO_PORT))
            stage.pause()
        for _ in range(2):
            question, origin = server.recvfrom(2048)
            server.sendto(b"got " + question, origin)
            client.recv(2048)


def udp_closed_port(stage: Stage) -> None:
    """A datagram to a port nobody has opened: UDP is silent, ICMP answers "port unreachable"."""
    with stage.client.udp(FIRST_PORT) as client:
        client.connect((SERVER, ECHO_PORT))
        client.send(b"anybody home?")
        with contextlib.suppress(ConnectionRefusedError):
            client.recv(2048)


def dns_lookup(stage: Stage) -> None:
    """The client asks for the address of a name, and for a name that doesn't exist."""
    with stage.dns.udp(DNS_PORT) as server, stage.client.udp(FIRST_PORT) as client:
        for identifier, name in ((0x1234, NAME), (0x1235, "no-such-name.example.com")):
            ask(server, client, identifier, name)
            stage.pause()


def http_exchange(stage: Stage) -> None:
    """A small page visit from the first packet: ARP, DNS, ARP again, TCP, HTTP, the close."""
    with stage.dns.udp(DNS_PORT) as server, stage.client.udp(FIRST_PORT) as client:
        ask(server, client, 0x1234, NAME)
    with stage.server.listen(WEB) as listener:
        browser = stage.client.open_socket()
        browser.bind(("", FIRST_PORT))
        browser.connect((SERVER, WEB))
        connection, origin = listener.accept()
        web = threading.Thread(target=PageHandler, args=(connection, origin, None), daemon=True)
        web.start()
        for path in ("/index.html", "/missing.html"):
            request = f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\nUser-Agent: sniffkit-lab\r\nAccept: */*\r\n"
            last = path == "/missing.html"
            browser.sendall((request + ("Connection: close\r\n\r\n" if last else "\r\n")).encode())
            read_response(browser)
            stage.pause()
        web.join(5)
        stage.close(connection, browser)


class PageHandler(http.server.BaseHTTPRequestHandler):
    """Serves one page to one connection, without words on the terminal."""

    protocol_version = "HTTP/1.1"
    server_version = "sniffkit-lab"
    sys_version = ""
    wbufsize = 1 << 16  # header and page in one segment

    def do_GET(self) -> None:
        """Answer a GET."""
        found = self.path == "/index.html"
        body = PAGE if found else b"Not here.\n"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8" if found else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def read_response(browser: socket.socket) -> bytes:
    """Read one HTTP response by its Content-Length."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += browser.recv(4096)
    head, _, body = got.partition(b"\r\n\r\n")
    wanted = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
    while len(body) < wanted:
        body += browser.recv(4096)
    return body


def ask(server: socket.socket, client: socket.socket, identifier: int, name: str) -> None:
    """Send one DNS question to the lab's DNS server and let it answer."""
    client.sendto(dns_question(identifier, name), (DNS, DNS_PORT))
    question, origin = server.recvfrom(512)
    server.sendto(dns_answer(question, SERVER if name == NAME else None), origin)
    client.recv(512)


def dns_question(identifier: int, name: str, kind: int = ADDRESS_RECORD) -> bytes:
    """A question for a name's IPv4 address, or for records of another type (RFC 1035 section 4.1)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    return (
        struct.pack("!HHHHHH", identifier, RECURSION_DESIRED, 1, 0, 0, 0) + labels + struct.pack("!HH", kind, INTERNET)
    )


def dns_answer(question: bytes, address: str | None, *, lifetime: int = 300) -> bytes:
    """The answer to a question: one address, or "no such name" where there is none."""
    identifier = question[:2]
    if address is None:
        return identifier + struct.pack("!HHHHH", NO_SUCH_NAME, 1, 0, 0, 0) + question[12:]
    octets = bytes(int(part) for part in address.split("."))
    record = struct.pack("!HHHIH", NAME_AT_12, ADDRESS_RECORD, INTERNET, lifetime, len(octets)) + octets
    return identifier + struct.pack("!HHHHH", ANSWERED, 1, 1, 0, 0) + question[12:] + record
