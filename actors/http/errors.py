"""How an HTTP request can fail, whoever was asked. `client` raises these and offers them too.

    HttpError
    ├── UnsendableRequest   the address, a header or the body cannot be sent; nothing was sent
    ├── Unreachable         no connection: refused, unknown host; nothing was sent
    │   └── TlsFailed       the TLS handshake was refused by either side; nothing was carried out
    ├── ConnectionLost      the connection broke midway: the request may have been carried out
    ├── TimedOut            the deadline passed: the request may have been carried out
    ├── TooLarge            the body passed its limit, and was not read on
    └── BadAnswer           what came back is not HTTP, or is compressed though we asked it not to
                            be

No message holds the query, the user information of an address, a header, or a body.
"""


class HttpError(Exception):
    """A request that brought no usable answer. The message says of what, and why."""


class UnsendableRequest(HttpError):
    """The request cannot be written: a bad address, header or body. Nothing was sent."""


class Unreachable(HttpError):
    """No connection could be made. Nothing was sent."""


class TlsFailed(Unreachable):
    """We refused the server's certificate, or it refused ours. Nothing was carried out."""


class ConnectionLost(HttpError):
    """The connection broke before the answer was complete: the request may have taken effect."""


class TimedOut(HttpError):
    """The deadline passed before the answer was complete: the request may have taken effect."""


class TooLarge(HttpError):
    """The answer's body is larger than allowed."""


class BadAnswer(HttpError):
    """What came back cannot be read as HTTP."""
