"""Reads a conversation drawn as a ladder and checks what the state machine says at every rung.

    > S   100            client SYN-SENT      server LISTEN         handshake  handshake.syn
    < SA  300   ack 101  client SYN-SENT      server SYN-RECEIVED   handshake  handshake.syn-ack

``>`` is sent by the end that the ladder draws on the left, ``<`` by the other. ``seq:length`` gives the payload.
``@2.5`` sets the time in seconds, ``win N`` the window, ``scale N`` the option, ``+id`` a fact that must be told.
"""

from __future__ import annotations

from sniffkit.analysis.tcp.ends import Segment
from sniffkit.analysis.tcp.phases import Connection

FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "-": 0}


def climb(text: str, left_is_client: bool = True) -> Connection:
    """Feed every rung; assert states, phase, steps and facts; return the connection at the end."""
    connection = Connection()
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    for number, line in enumerate(lines, 1):
        words = line.split()
        direction = 0 if words[0] == ">" else 1
        flags = sum(FLAGS[letter] for letter in words[1])
        sequence, _, length = words[2].partition(":")
        expected: dict[str, str] = {}
        options = {"ack": 0, "win": 1000, "scale": -1}
        facts, rest, time, twice = [], [], float(number), 0
        position = 3
        while position < len(words):
            word = words[position]
            if word in ("client", "server"):
                expected[word] = words[position + 1]
                position += 2
            elif word in options:
                options[word] = int(words[position + 1])
                position += 2
            else:
                if word.startswith("+"):
                    facts.append(word[1:])
                elif word.startswith("@"):
                    time = float(word[1:])
                elif word.startswith("="):
                    twice = int(word[1:])
                else:
                    rest.append(word)
                position += 1
        segment = Segment(
            number, int(time * 1e9), direction, int(sequence) % 2**32, options["ack"] % 2**32, flags,
            int(length or 0), options["win"], options["scale"], twice,
        )  # fmt: skip
        phase, steps = connection.feed(segment)
        told = {fact.id for fact in connection.facts}
        where = f"rung {number}: {line}"
        client, server = connection.ends[connection.client], connection.ends[1 - connection.client]
        assert (client.state.label, server.state.label) == (expected["client"], expected["server"]), where
        assert [phase.label, *steps] == rest, f"{where}\nwas {phase.label} {steps}"
        assert told >= set(facts), f"{where}\ntold {told}"
    return connection
