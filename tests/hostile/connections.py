#!/usr/bin/python3
"""What a gRPC client can't be made to do to a coordinator: connections of which nothing comes.

  connections.py HOST:PORT silent|idle|half COUNT

`silent` says nothing, `idle` shakes hands and calls nothing; both end once all their connections
are closed for them. `half` begins a message of 15.9 MiB on each of 32 streams a connection, sends
all but its last byte, and begins it again where that is refused, until it is killed. Each prints
`holds` once it has what it wants.
"""

import selectors
import socket
import sys
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

_STREAMS = 32
_MESSAGE_BYTES = (16 << 20) - (100 << 10)
_HALF = b"x" * 16384
# Of all connections together: a coordinator that kept all of it would have no limit.
_ENOUGH_BYTES = 1 << 30
_CONNECT_S_MAX = 10.0
_READ_BYTES = 1 << 16
_CALL = (
    (":method", "POST"), (":scheme", "http"), (":authority", "coordinator"),
    (":path", "/closewrite.v1.AttendService/Attend"), ("te", "trailers"),
    ("content-type", "application/grpc"),
)


class Peer:
    """One connection, of which all that comes is taken in."""

    def __init__(self, address, kind):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), _CONNECT_S_MAX)
        self.socket.setblocking(False)
        self.sent = 0
        self._kind = kind
        self._left = {}
        self._unsent = b""
        self._speaks = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        if kind != "silent":
            self._speaks.initiate_connection()

    def _begin(self):
        while len(self._left) < _STREAMS:
            stream = self._speaks.get_next_available_stream_id()
            self._speaks.send_headers(stream, _CALL)
            self._speaks.send_data(stream, b"\0" + _MESSAGE_BYTES.to_bytes(4, "big"))
            self._left[stream] = _MESSAGE_BYTES - 1

    def _fill(self):
        for stream, left in list(self._left.items()):
            size = min(len(_HALF), left, self._speaks.local_flow_control_window(stream))
            if size > 0:
                self._speaks.send_data(stream, _HALF[:size])
                self._left[stream] -= size
                self.sent += size

    def _hear(self):
        """False at the end of the connection."""
        try:
            heard = self.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return True
        if self._kind == "silent" or not heard:
            return bool(heard)
        for event in self._speaks.receive_data(heard):
            if isinstance(event, (h2.events.StreamReset, h2.events.StreamEnded)):
                self._left.pop(event.stream_id, None)
            if isinstance(event, h2.events.ConnectionTerminated):
                return False
        return True

    def turn(self):
        """Reads and writes what can be at once; false at the end of the connection."""
        try:
            if not self._hear():
                return False
            if self._kind == "half" and not self._unsent:
                self._begin()
                self._fill()
            self._unsent += self._speaks.data_to_send()
            if self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent):]
        except BlockingIOError:
            pass
        except (OSError, h2.exceptions.ProtocolError):
            return False
        return True

    def wants_to_write(self):
        """Whether more of it waits than the other side has room for."""
        return bool(self._unsent) or any(
            left and self._speaks.local_flow_control_window(stream) > 0
            for stream, left in self._left.items())


def main(address, kind, count):
    """As the text above says."""
    selector = selectors.DefaultSelector()
    ended = held = 0
    for _ in range(count):
        peer = Peer(address, kind)
        peer.turn()
        selector.register(peer.socket, selectors.EVENT_READ, peer)
    told = False
    while ended < count:
        if not told and (kind != "half" or held >= _ENOUGH_BYTES):
            told = True
            print("holds", time.monotonic(), flush=True)
        for key, _ in selector.select():
            peer = key.data
            held -= peer.sent
            alive = peer.turn()
            held += peer.sent
            if alive:
                wanted = selectors.EVENT_READ
                if peer.wants_to_write():
                    wanted |= selectors.EVENT_WRITE
                selector.modify(peer.socket, wanted, peer)
                continue
            selector.unregister(peer.socket)
            peer.socket.close()
            if kind == "half":
                peer = Peer(address, kind)
                peer.turn()
                selector.register(peer.socket, selectors.EVENT_READ, peer)
            else:
                ended += 1


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
