"""Stand-ins for the five providers: their APIs as documented, over a real loopback socket.

What becomes of a message is chosen by the last two digits of its number:

    00-59  delivered       within seconds
    60-79  slow            delivered, but later
    80     expired         the phone stays off
    81     undeliverable   wrong or dead number
    82     rejected        the carrier refuses it
    83     unknown         no report ever comes
    84     stuck           stays "sent" for ever
    85     failed
    86     conflict        delivered, then failed
    87     auto_retry      eSMS: fails, is retried by itself, delivered (elsewhere: slow)
    88     fails_twice     eSMS: fails, and fails through both automatic retries (elsewhere: failed)
    89     odd_word        a status word no document lists
    90     lag             not found for the first three polls, then delivered
    91     late            expired, then delivered after all
    92     regression      delivered, and once afterwards "sent" again
    93-95  expired
    96-98  undeliverable
    99     refused         not accepted when sent (BSG error 21, SMSBat `rejected`, eSMS `failed`, RoyceTalk 400 or
                           dropped from a bulk, BridgeXAPI 400 or FAILED at once within an order)

A provider that has no word for a fate uses the nearest one its documents have (see `words` in each module).
Steps take 2 to 30 seconds of the provider's clock. A script (JSON) overrides any number and injects faults: see
`script.py` and `faults.py`, for the control calls `service.py`, for tests `server.py`.
"""

from __future__ import annotations
