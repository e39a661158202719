"""Where we listen: `BIND` read, checked and turned into a URL."""

from __future__ import annotations

import errno
import http.client
import socket
from dataclasses import dataclass

from scripts.common import SetupError

_EVERYWHERE = ("", "0.0.0.0", "::")


@dataclass(frozen=True)
class Address:
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        host, colon, port = text.strip().rpartition(":")
        if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
            raise SetupError(f"BIND is {text!r}; it needs a host and a port, for example BIND=127.0.0.1:8000")
        return cls(host.strip("[]") or "0.0.0.0", int(port))

    @property
    def everywhere(self) -> bool:
        return self.host in _EVERYWHERE

    @property
    def reachable_host(self) -> str:
        """The host to connect to: an address that means \"every interface\" is none."""
        if self.everywhere:
            return "::1" if self.host == "::" else "127.0.0.1"
        return self.host

    @property
    def url(self) -> str:
        host = f"[{self.reachable_host}]" if ":" in self.reachable_host else self.reachable_host
        return f"http://{host}:{self.port}"

    def require_free(self, command: str) -> None:
        """Fails with one line when we could not listen here; `command` is what the person typed."""
        another = f"BIND=127.0.0.1:8001 make {command}"
        try:
            family, kind, protocol, _, place = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
                probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                cause = f"Port {self.port} on {self.host} is already in use. Stop what uses it or choose another"
            elif error.errno == errno.EACCES:
                cause = f"Port {self.port} needs more rights than this user has. Choose one above 1023"
            else:
                cause = f"BIND names {self.host}, which is not an address of this machine. Choose one that is"
            raise SetupError(f"{cause}: {another}") from None

    def is_free(self) -> bool:
        try:
            self.require_free("")
        except SetupError:
            return False
        return True

    def listens(self) -> bool:
        with socket.socket(socket.AF_INET6 if ":" in self.reachable_host else socket.AF_INET) as probe:
            probe.settimeout(1)
            return probe.connect_ex((self.reachable_host, self.port)) == 0

    def answers(self) -> bool:
        """Whether a web page comes back; a server's own error is not yet an answer."""
        connection = http.client.HTTPConnection(self.reachable_host, self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
