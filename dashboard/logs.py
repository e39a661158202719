"""What never reaches a log: phone numbers, webhook tokens, anything that looks like a credential."""

from __future__ import annotations

import logging
import re

_TOKEN_IN_PATH = re.compile(r"(/hooks/)[^/\s\"'?]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic|x-api-key:?|x-authorization-key:?)\s+\S+")
_DIGIT_RUN = re.compile(r"\d{7,}")


def masked(text: str) -> str:
    """The text with digit runs of seven and more, webhook tokens and authorisation values replaced."""
    text = _TOKEN_IN_PATH.sub(r"\1••••", text)
    text = _BEARER.sub(r"\1 ••••", text)
    return _DIGIT_RUN.sub("•••••••", text)


class Masked(logging.Filter):
    """Masks every line of ours on its way out, whoever wrote it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = masked(record.getMessage())
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = masked(logging.Formatter().formatException(record.exc_info))
        return True
