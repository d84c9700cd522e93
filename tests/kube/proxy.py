# SPDX-License-Identifier: Apache-2.0
"""A proxy in front of a real API server that fails on demand.

It speaks HTTP/1.1 over TLS with a certificate of the server's authority, keeps connections alive on both
sides, hands the client's credentials on, and remembers every request. A fault is a pair: which request it
is for (its number since the last reset, counted from 1, or a predicate), and what happens to it: one of
the functions below. What no fault is for goes through unchanged. Watches, which never end, are not
supported, and neither are chunked requests.

    proxy.fault(3, answer(503))                             # the third request, never seen by the server
    proxy.fault(is_request("PATCH"), answer(504, done=True))  # done, but the client is told otherwise
    proxy.fault(is_request("POST", "/leases"), cut(done=True), times=2)
"""

import http.client
import http.server
import json
import socket
import ssl
import struct
import sys
import threading
import time

REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict",
    410: "Expired", 413: "RequestEntityTooLarge", 415: "UnsupportedMediaType", 422: "Invalid",
    429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout",
}
_OF_ONE_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "upgrade", "host"}


class Cut(Exception):
    """This connection ends here."""


class Request:
    """What came, and what became of it."""

    def __init__(self, number, connection, method, path, headers, body):
        self.number, self.connection = number, connection  # connection: its number, from 1
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.forwarded = None  # the server's status, when it was asked
        self.status = None     # the client's, when it got an answer
        self.begin, self.end = time.monotonic(), None

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.number}: {self.method} {self.path} server {self.forwarded} client {self.status}>"


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


def is_request(method=None, part=""):
    """A predicate: this method, and a path that contains this text."""
    return lambda request: method in (None, request.method) and part in request.path


# ---- what can happen: functions (exchange) that return a Response, or raise Cut ----


def status_object(status, message, reason=None, details=None):
    """The body of an error, as an API server writes it."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason or REASONS.get(status, ""),
            **({"details": details} if details else {}), "code": status}


def answer(status, headers=None, body=None, reason=None, done=False):
    """This status in place of the server's; done: after the server has done it nevertheless."""

    def act(exchange):
        if done:
            exchange.forward()
        said = body if body is not None else status_object(status, f"injected {status}", reason)
        raw = said if isinstance(said, bytes) else json.dumps(said).encode()
        return Response(status, [("Content-Type", "application/json"), *(headers or {}).items()], raw)

    return act


def cut(done=False, reset=False):
    """The connection ends without an answer; reset: by RST, as a crashed machine's peer sees it."""

    def act(exchange):
        if done:
            exchange.forward()
        raise Cut(reset)

    return act


def truncate(keep=0.5):
    """Done, but the body breaks off after this part of it."""

    def act(exchange):
        response = exchange.forward()
        exchange.send(response, response.body[: int(len(response.body) * keep)])
        raise Cut(False)

    return act


def damage(change):
    """Done, but the body is change(body): bytes that the server never said."""

    def act(exchange):
        response = exchange.forward()
        return Response(response.status, response.headers, change(response.body))

    return act


def delay(until, done=False):
    """Waits for seconds or for a threading.Event, before the server is asked or (done) after that."""

    def act(exchange):
        response = exchange.forward() if done else None
        exchange.wait(until)
        return response or exchange.forward()

    return act


def dribble(seconds, parts=10):
    """Done, and the body comes in parts over this time."""

    def act(exchange):
        response = exchange.forward()
        size = max(1, -(-len(response.body) // parts))
        exchange.send(response, b"")
        for at in range(0, len(response.body), size):
            exchange.wait(seconds / parts)
            exchange.write(response.body[at : at + size])
        return None

    return act


class Exchange:
    """One request on its way."""

    def __init__(self, handler, request):
        self.handler, self.request, self.proxy = handler, request, handler.server.proxy

    def forward(self):
        """Asks the server; an error of that connection ends the client's too."""
        try:
            response = self.handler.ask(self.request)
        except (OSError, http.client.HTTPException) as error:
            raise Cut(False) from error
        self.request.forwarded = response.status
        return response

    def wait(self, until):
        """Sleeps, unless the proxy ends meanwhile: then the connection does."""
        if isinstance(until, threading.Event):
            while not until.wait(0.01) and not self.proxy.closing.is_set():
                pass
            until = 0
        if self.proxy.closing.wait(until):
            raise Cut(False)

    def send(self, response, body=None):
        """The head for the whole body, and the body or a part of it, in one write."""
        status = response.status
        head = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}"]
        head += [f"{name}: {value}" for name, value in response.headers]
        head += [f"Content-Length: {len(response.body)}", "", ""]
        self.request.status = status
        self.write("\r\n".join(head).encode("latin-1") + (response.body if body is None else body))

    def write(self, data):
        try:
            self.handler.wfile.write(data)
        except OSError as error:  # the client did not wait for it
            raise Cut(False) from error


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection of a client, and the connection to the server that goes with it."""

    protocol_version = "HTTP/1.1"
    timeout = 600

    def setup(self):
        self.backend = None
        self.request = self.server.context.wrap_socket(
            self.request, server_side=True, do_handshake_on_connect=False)
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = self.server.proxy.opened(self.request)
        super().setup()

    def handle(self):
        self.server.proxy.while_silent()
        try:
            self.request.do_handshake()
        except OSError as error:  # ssl.SSLError is one: whoever does not trust us ends here
            self.server.proxy.refused.append(error)
            return
        super().handle()

    def ask(self, request):
        proxy = self.server.proxy
        if self.backend is None:
            self.backend = http.client.HTTPSConnection(
                proxy.api.host, proxy.api.port, context=self.server.upstream, timeout=self.timeout)
        sent = {n: v for n, v in request.headers.items() if n.lower() not in _OF_ONE_HOP}
        self.backend.request(request.method, request.path, request.body or None, sent)
        got = self.backend.getresponse()
        body = got.read()
        headers = [(n, v) for n, v in got.getheaders() if n.lower() not in _OF_ONE_HOP]
        return Response(got.status, headers, body)

    def serve(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # a client that was killed: no server would act on this
            self.close_connection = True
            return
        if "Transfer-Encoding" in self.headers:
            raise NotImplementedError("a chunked request")
        request, action = self.server.proxy.arrived(self.number, self.command, self.path, self.headers, body)
        exchange = Exchange(self, request)
        try:
            exchange.wait(self.server.proxy.latency)
            response = action(exchange) if action else exchange.forward()
            if response is not None:
                exchange.send(response)
        except Cut as end:
            self.close_connection = True
            if end.args == (True,):
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        finally:
            request.end = time.monotonic()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def finish(self):
        # Without TLS' goodbye: the client must tell an end that was cut by the length of the body.
        for stream in (self.rfile, self.wfile):
            stream.close()
        self.server.proxy.closed(self.request)
        self.request.close()
        if self.backend is not None:
            self.backend.close()

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # they are waited for
    request_queue_size = 512

    def handle_error(self, request, client_address):
        """A connection that broke is what tests want; anything else is a fault of this file."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.proxy.errors.append(error)

    def shutdown_request(self, request):
        request.close()


class Proxy:
    """One in front of an ApiServer.

    url, port    where it listens
    requests     all Requests since the last reset
    latency      seconds before each request goes on
    silent       True: connections are accepted, and not even a handshake is answered
    refused      handshakes that failed, as exceptions
    certificate  (certificate, key) of a server that is not what it should be
    """

    def __init__(self, api, certificate=None):
        self.api = api
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._sockets = set()
        self._connections = 0
        self.refused, self.errors = [], []
        self.reset()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._server.upstream = api.trusting()
        self._server.context = self._context(certificate or self._certificate())
        self.port = self._server.server_address[1]
        self.url = f"https://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def _certificate(self):
        """One of the server's authority, made once."""
        cert, key = (self.api.pki.directory / f"proxy.{kind}" for kind in ("crt", "key"))
        if not cert.exists():
            self.api.pki.issue("proxy", "/CN=proxy", "DNS:localhost,IP:127.0.0.1")
        return cert, key

    @staticmethod
    def _context(certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        context.set_alpn_protocols(["http/1.1"])
        return context

    # ---- for tests ----

    def reset(self):
        """No request remembered, no fault, no latency; connections stay."""
        with self._lock:
            self.requests = []
            self.latency = 0
            self.silent = False
            self._faults = []

    def fault(self, when, action, times=1):
        """The next `times` requests that `when` is for (all with None) meet this; earlier faults first."""
        number = when
        predicate = when if callable(when) else lambda request: request.number == number
        with self._lock:
            self._faults.append([predicate, action, times])

    @property
    def unused(self):
        """How many faults have not met all their requests; those without end do not count."""
        with self._lock:
            return sum(bool(left) for _, _, left in self._faults)

    @property
    def lines(self):
        """What was asked, in order: 'METHOD path'."""
        with self._lock:
            return [f"{r.method} {r.path}" for r in self.requests]

    def client(self, token=None):
        """A plain client that goes through here."""
        client = self.api.as_account(token)
        client.port = self.port
        return client

    def cut_all(self):
        """Every connection that is open ends now."""
        with self._lock:
            for sock in self._sockets:
                _shut(sock)

    def close(self):
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self.cut_all()
        self._server.server_close()
        assert not self.errors, self.errors

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- for connections ----

    def while_silent(self):
        while self.silent and not self.closing.wait(0.01):
            pass

    def opened(self, sock):
        with self._lock:
            self._sockets.add(sock)
            if self.closing.is_set():  # too late for close() to see it
                _shut(sock)
            self._connections += 1
            return self._connections

    def closed(self, sock):
        with self._lock:
            self._sockets.discard(sock)

    def arrived(self, connection, method, path, headers, body):
        with self._lock:
            request = Request(len(self.requests) + 1, connection, method, path, headers, body)
            self.requests.append(request)
            for fault in self._faults:
                predicate, action, left = fault
                if left != 0 and predicate(request):
                    fault[2] = left and left - 1
                    return request, action
            return request, None


def _shut(sock):
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # TLS' own forgets, under a thread that reads
    except OSError:  # it had ended already
        pass
