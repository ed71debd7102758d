"""Real DNS servers for the lab: NSD serves zones, unbound resolves for a client; ldns signs.

Each runs on a host of the lab, in the foreground, under the user that it was started by: in a user namespace there is
nobody else to change to. Their files are in a directory that goes with the world.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from typing import TYPE_CHECKING

from sniffkit.errors import NotPermitted
from sniffkit.lab.questions import DNS_PORT, dns_question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sniffkit.lab.host import Host

ALGORITHM = "ECDSAP256SHA256"
LONG_AGO = ("20200101000000", "20200201000000")
"""From when to when an expired signature was good."""

READY = 10.0
"""Seconds a server may take to begin."""

PACKAGES = {"nsd": "nsd", "unbound": "unbound", "ldns-keygen": "ldnsutils", "ldns-signzone": "ldnsutils"}


def missing_programs() -> dict[str, str]:
    """Return the programs that are not installed, each with its Debian package."""
    return {name: package for name, package in PACKAGES.items() if find(name) is None}


def find(program: str) -> str | None:
    """Return where a program is; servers stand in /usr/sbin, which is not on everybody's path."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def require() -> None:
    """Raise NotPermitted ``lab.program-missing`` where a server is not installed."""
    for program, package in missing_programs().items():
        raise NotPermitted("lab.program-missing", program=program, package=package)


def sign(directory: str, zone: str, *, nsec3: bool = False, expired: bool = False) -> str:
    """Sign the zone file ``directory``/``zone`` with a new key; return the DS record for the parent.

    The signed zone stands in ``zone``.signed.
    """
    name = zone if zone == "." else f"{zone}."
    key = _run(directory, "ldns-keygen", "-a", ALGORITHM, "-k", name).strip()
    dates = ["-i", LONG_AGO[0], "-e", LONG_AGO[1]] if expired else []
    hashed = ["-n"] if nsec3 else []
    _run(directory, "ldns-signzone", *dates, *hashed, "-o", name, "-f", f"{file_of(zone)}.signed", file_of(zone), key)
    with open(os.path.join(directory, f"{key}.ds")) as file:
        return file.read()


def file_of(zone: str) -> str:
    """Return the name of a zone's file."""
    return "root" if zone == "." else zone


def _run(directory: str, program: str, *arguments: str) -> str:
    found = find(program) or program
    done = subprocess.run([found, *arguments], cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotPermitted("lab.program-failed", program=program, reason=(done.stderr or done.stdout).strip())
    return done.stdout


class Server:
    """A server program on a host; it ends with this process, however that ends."""

    def __init__(self, host: Host, program: str, arguments: Sequence[str], address: str) -> None:
        self.host = host
        self.program = program
        command = ["setpriv", "--pdeathsig", "KILL", find(program) or program, *arguments]
        self._process = host.start(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        self._wait(address)

    def _wait(self, address: str) -> None:
        """Ask the server until it answers."""
        end = time.monotonic() + READY
        with self.host.open_socket(socket.SOCK_DGRAM) as handle:
            handle.settimeout(0.05)
            while time.monotonic() < end:
                if self._process.poll() is not None:
                    said = self._process.stdout.read().decode(errors="replace") if self._process.stdout else ""
                    raise NotPermitted("lab.program-failed", program=self.program, reason=said.strip()[-300:])
                try:
                    handle.sendto(dns_question(1, "is-it-up.invalid"), (address, DNS_PORT))
                    handle.recv(512)
                except (TimeoutError, ConnectionError):
                    time.sleep(0.02)
                else:
                    return
        self.close()
        raise NotPermitted("lab.program-failed", program=self.program, reason="no answer")

    def close(self) -> None:
        """End the server and what it started."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


def nsd(host: Host, directory: str, zones: dict[str, str], addresses: Sequence[str]) -> Server:
    """Serve zones on a host. zones: the file of each zone, within ``directory``."""
    own = os.path.join(directory, f"nsd-{host.name}")
    os.makedirs(own, exist_ok=True)
    lines = [
        "server:",
        *(f"  ip-address: {address}" for address in addresses),
        '  username: ""\n  chroot: ""\n  database: ""\n  server-count: 1\n  verbosity: 0',
        "  tcp-count: 10\n  minimal-responses: yes\n  hide-version: yes\n  rrl-ratelimit: 0",
        f'  zonesdir: "{directory}"\n  pidfile: "{own}/nsd.pid"\n  xfrdfile: "{own}/xfrd.state"\n  xfrdir: "{own}"',
        f'  zonelistfile: "{own}/zone.list"\n  logfile: "{own}/log"',
        "remote-control:\n  control-enable: no",
        *(f'zone:\n  name: "{zone}"\n  zonefile: "{file}"' for zone, file in zones.items()),
    ]
    path = os.path.join(own, "nsd.conf")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return Server(host, "nsd", ["-d", "-c", path], addresses[0])


def unbound(host: Host, directory: str, address: str, root: str, anchor: str | None = None) -> Server:
    """Resolve for clients on a host. anchor: a file with the root's DS record, to check signatures."""
    own = os.path.join(directory, "unbound")
    os.makedirs(own, exist_ok=True)
    hints = os.path.join(own, "hints")
    with open(hints, "w") as file:
        file.write(f". 3600000 NS a.root-servers.net.\na.root-servers.net. 3600000 A {root}\n")
    modules = "validator iterator" if anchor else "iterator"
    lines = [
        f'server:\n  interface: {address}\n  access-control: 0.0.0.0/0 allow\n  username: ""\n  chroot: ""',
        f'  directory: "{own}"\n  pidfile: ""\n  use-syslog: no\n  logfile: "{own}/log"\n  do-daemonize: no',
        f'  root-hints: "{hints}"\n  module-config: "{modules}"\n  num-threads: 1\n  do-ip6: no\n  so-rcvbuf: 0',
        # one question for each step, in the order of the lesson
        '  qname-minimisation: no\n  target-fetch-policy: "0 0 0 0 0"\n  minimal-responses: yes\n  prefetch: no',
        '  local-zone: "test." nodefault\n  local-zone: "example." nodefault\n  outgoing-range: 64',
        *([f'  trust-anchor-file: "{anchor}"'] if anchor else []),
        "remote-control:\n  control-enable: no",
    ]
    path = os.path.join(own, "unbound.conf")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return Server(host, "unbound", ["-d", "-c", path], address)


def tcp_question(message: bytes) -> bytes:
    """Put the length before a message, as DNS over TCP has it (RFC 1035 section 4.2.2)."""
    return struct.pack("!H", len(message)) + message
