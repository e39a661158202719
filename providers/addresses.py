"""Where requests may go: never to ourselves, our network or a cloud's metadata. Pure rules, no network.

A name is only looked up, and every address it has checked, when a connection is made (`providers.http`): an answer
from an earlier moment proves nothing.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from urllib.parse import SplitResult, unquote, urlsplit

import idna

from providers.errors import ProviderError

PORTS = frozenset({443, 4443, 8443, 9443})  # what TLS services listen on

# Not for us although `ipaddress` calls some of them global: each wraps or reaches an inner address.
_DENIED = tuple(
    map(
        ipaddress.ip_network,
        ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "192.0.0.0/24", "192.88.99.0/24", "fec0::/10",
         "3fff::/20", "5f00::/16", "fd00:ec2::254/128"),
    )
)  # fmt: skip
_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    )
)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")  # "2130706433", "0x7f.1": the system reads these as addresses
_PATH = re.compile(r"(?:/|[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*")
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".home.arpa")


def address_allowed(address: str, allow_private: bool = False) -> bool:
    """Whether we connect to this IP address: public unicast, or loopback and private networks if those are allowed."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if any(ip in network for network in _DENIED):
        return False
    if any(ip in network for network in _PRIVATE):
        return allow_private
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def check_base_url(url: str, allow_private: bool = False) -> None:
    """Raise ProviderError("invalid") unless requests may go to this base URL."""
    problem = _problem(url, allow_private)
    if problem:
        raise ProviderError("invalid", f"The base URL cannot be used: {problem}.", written=False)


def path_ok(path: str) -> bool:
    """Whether a path is quoted already and stays below its prefix."""
    return bool(_PATH.fullmatch(path)) and not any(unquote(part) in {".", ".."} for part in path.split("/"))


@functools.lru_cache(maxsize=256)
def _problem(url: str, allow_private: bool) -> str:
    """What is wrong with a base URL, as the end of a sentence; empty if nothing is."""
    if len(url) > 500:
        return "it is too long"
    if re.search(r"[\x00-\x20\x7f-\xa0\\]", url):
        return "it holds a space, a backslash or a control character"
    if "?" in url or "#" in url:
        return "it must end before any ? or #"
    try:
        parts = urlsplit(url)
        host = _ascii_host(parts)
        port = parts.port
    except ValueError:
        return "it is not a web address"
    if "@" in parts.netloc:
        return "it must not hold a user name or password"
    if not path_ok(parts.path):
        return "its path holds something that does not belong there"
    return _scheme_problem(parts.scheme, allow_private) or _host_problem(host, port, allow_private)


def _ascii_host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return host if host.isascii() else idna.encode(host).decode("ascii")


def _scheme_problem(scheme: str, allow_private: bool) -> str:
    return "" if scheme == "https" or (allow_private and scheme == "http") else "it must start with https://"


def _host_problem(host: str, port: int | None, allow_private: bool) -> str:
    if not host:
        return "it names no host"
    literal = ":" in host or _NUMERIC_LABEL.fullmatch(host.rpartition(".")[2]) is not None
    if literal and ("%" in host or not address_allowed(host, allow_private)):
        return "this address is not on the public internet"
    if not literal and not _HOST_NAME.fullmatch(host):
        return "this is not a host name"
    if port == 0:
        return "there is no such port"
    if allow_private:
        return ""
    if not literal and ("." not in host or host.endswith(_LOCAL_NAMES)):
        return "this name is not on the public internet"
    return "" if port is None or port in PORTS else f"only the ports {', '.join(map(str, sorted(PORTS)))} are allowed"
