"""Taking secrets out of text and bytes before anything is shown, logged or kept."""

from __future__ import annotations

import base64
import functools
import html
import re
from collections.abc import Iterable
from typing import NamedTuple

MASK = "••••"
_ONE_ALPHABET = bytes.maketrans(b"-_", b"+/")
_SHORTEST_SECRET = 4  # masking anything shorter would blank out ordinary words


class _Spelled(NamedTuple):
    """All that some secrets may look like."""

    pattern: re.Pattern[bytes]  # any spelling but base64
    cores: tuple[bytes, ...]  # what base64 has of them
    plain: tuple[bytes, ...]
    unusual: re.Pattern[bytes]  # what every spelling has that is neither plain nor base64
    words: re.Pattern[bytes]  # what is long enough to be base64 of one


def mask(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret replaced, however it is written: as it is, percent-encoded, escaped, in base64."""
    return mask_bytes(text.encode("utf-8", "surrogatepass"), secrets).decode("utf-8", "surrogatepass")


def mask_bytes(body: bytes, secrets: Iterable[str]) -> bytes:
    """`mask` for bytes as they came; the same bytes if no secret is in them."""
    kept = frozenset(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET)
    if not kept or not body:
        return body
    pattern, cores, plain, unusual, words = _spelled(kept)
    if unusual.search(body) or any(secret in body for secret in plain):
        body = pattern.sub(MASK.encode(), body)

    if not _has(body, cores):
        return body
    return words.sub(lambda match: MASK.encode() if _has(match[0], cores) else match[0], body)


def _has(text: bytes, cores: Iterable[bytes]) -> bool:
    """Whether base64 in there, of either alphabet and with escaped slashes, may be of a secret."""
    read = text.replace(b"\\", b"").translate(_ONE_ALPHABET)
    return any(core in read for core in cores)


@functools.lru_cache(maxsize=128)
def _spelled(secrets: frozenset[str]) -> _Spelled:
    ways: list[bytes] = []
    cores: list[bytes] = []
    for secret in sorted(secrets, key=len, reverse=True):
        ways += [b"".join(map(_character, secret))]
        ways += [re.escape(secret.encode(codec, "surrogatepass")) for codec in ("utf-16-le", "utf-16-be")]
        cores += _base64_cores(secret.encode("utf-8", "surrogatepass"))
    unusual = rb"[%\\&\0" + (rb"+]" if any(" " in secret for secret in secrets) else rb"]")
    return _Spelled(
        pattern=re.compile(b"|".join(ways)),
        cores=tuple(cores),
        plain=tuple(secret.encode("utf-8", "surrogatepass") for secret in secrets),
        unusual=re.compile(unusual if all(map(str.isascii, secrets)) else b""),
        # Looked for from the beginning of each word only: within a word that is too short there is no longer one.
        words=re.compile(rb"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]|\\/){%d,}={0,2}" % max(8, min(map(len, cores)))),
    )


def _character(character: str) -> bytes:
    """A pattern for one character in any spelling of URLs, JSON and HTML; every repetition in it is bounded."""
    raw = character.encode("utf-8", "surrogatepass")
    units = character.encode("utf-16-be", "surrogatepass").hex()
    percent = b"".join(rb"%%(?:25){0,3}%02x" % byte for byte in raw)
    escaped = b"".join(rb"\\{1,4}u" + units[at : at + 4].encode() for at in range(0, len(units), 4))
    ways = [re.escape(raw), rb"(?i:" + percent + b"|" + escaped + b")"]
    if character == " ":
        ways.append(rb"\+")
    if character in "\"'/\\":
        ways.append(rb"\\{1,4}" + re.escape(raw))
    if not character.isalnum():
        named = html.escape(character).encode("utf-8", "surrogatepass")
        ways += [re.escape(named), rb"(?i:&#(?:0{0,4}%d|x0{0,4}%x);)" % (ord(character), ord(character))]
    return b"(?:" + b"|".join(ways) + b")"


def _base64_cores(secret: bytes) -> list[bytes]:
    """What the secret looks like within base64 of something longer, such as `user:secret`, at each of three offsets."""
    cores = []
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + secret)
        cores.append(encoded[(offset * 8 + 5) // 6 : (offset + len(secret)) * 8 // 6])
    return cores
