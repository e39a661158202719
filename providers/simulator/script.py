"""What a test or a demo tells the simulator: a JSON object, given at the start or by POST /_/script.

    {
      "speed": 60,                                  one real second is a minute of provider time; 0 stops the clock
      "numbers": {"31612345680": "delivered",       a number's fate (digits), at every provider,
                  "bsg:380501234567": {"fate": "failed", "lag": 2},          at one provider,
                  "256700000001": ["failed", "delivered"],                   send by send,
                  "*": "delivered"},                                         or for every number
      "recover": true,                              a second send after expired/failed/unknown is delivered
      "keys": {"bsg": ["live_abc"]},                only these API keys are right (else any not beginning with "bad")
      "users": {"smsbat": {"user": "password"}},
      "balances": {"bsg": "0.10"},                  money the account has; a send that costs more is refused
      "modes": {"bsg": {"reply": "flat"}},          what the documents leave open: the table is in each module
      "faults": [{"provider": "bsg", "kind": "429", "count": 2}],            see faults.py
      "seed": 7                                     of the faults' probabilities
    }

A given "faults" replaces the old list; the other objects are merged. "reset": true forgets all of it
first. "seed_only": true counts only at the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from providers.simulator.fates import RECOVERS, Fate, fate_of, name_by_digits
from providers.simulator.faults import Rule

SECTIONS = frozenset(
    ["speed", "numbers", "recover", "keys", "users", "balances", "modes", "faults", "seed", "reset", "seed_only"]
)
START_BALANCE = Decimal(1_000_000)


class Script:
    def __init__(self) -> None:
        self.numbers: dict[str, Any] = {}
        self.recover = False
        self.keys: dict[str, list[str]] = {}
        self.users: dict[str, dict[str, str]] = {}
        self.balances: dict[str, Decimal] = {}
        self.modes: dict[str, dict[str, Any]] = {}
        self.faults: list[Rule] = []
        self.seed = 0
        self._sends: dict[tuple[str, str], int] = {}

    def update(self, data: Mapping[str, Any]) -> None:
        """Take over the given sections. Raises ValueError, and changes nothing, if one cannot be read."""
        try:
            self._update(data)
        except (TypeError, AttributeError, KeyError, IndexError, InvalidOperation) as error:
            raise ValueError(f"This script cannot be read: {error!r}") from None

    def _update(self, data: Mapping[str, Any]) -> None:
        unknown = set(data) - SECTIONS
        if unknown:
            raise ValueError(f"A script has no section {', '.join(sorted(unknown))}; it has {', '.join(SECTIONS)}.")
        faults = [Rule.read(rule, index) for index, rule in enumerate(data.get("faults", ()))]
        numbers = {str(key): spec for key, spec in data.get("numbers", {}).items()}
        for spec in numbers.values():
            for one in spec if isinstance(spec, list) else [spec]:
                fate_of(one, "esms_africa")
        balances = {key: Decimal(str(amount)) for key, amount in data.get("balances", {}).items()}
        modes = {key: dict(mode) for key, mode in data.get("modes", {}).items()}
        if data.get("reset"):
            Script.__init__(self)
        self.numbers |= numbers
        self.balances |= balances
        self.recover = bool(data.get("recover", self.recover))
        self.keys |= {key: list(keys) for key, keys in data.get("keys", {}).items()}
        self.users |= {key: dict(users) for key, users in data.get("users", {}).items()}
        self.seed = int(data.get("seed", self.seed))
        for key, mode in modes.items():
            self.modes.setdefault(key, {}).update(mode)
        if "faults" in data:
            self.faults = faults

    def draw(self, provider: str, digits: str) -> Fate:
        """The fate of the next send to this number."""
        nth = self._sends.get((provider, digits), 0)
        self._sends[(provider, digits)] = nth + 1
        name = name_by_digits(digits)
        for key in (f"{provider}:{digits}", digits, "*"):
            if key in self.numbers:
                spec = self.numbers[key]
                return fate_of(spec[min(nth, len(spec) - 1)] if isinstance(spec, list) else spec, provider)
        if self.recover and nth and name in RECOVERS:
            name = "delivered"
        return fate_of(name, provider)

    def charge(self, provider: str, amount: Decimal) -> bool:
        """Take the money for a send; False, and nothing taken, if there is not enough."""
        left = self.balance(provider) - amount
        if left < 0:
            return False
        self.balances[provider] = left
        return True

    def balance(self, provider: str) -> Decimal:
        return self.balances.get(provider, START_BALANCE)

    def key_is_right(self, provider: str, key: str) -> bool:
        if provider in self.keys:
            return key in self.keys[provider]
        return bool(key) and not key.startswith("bad")

    def password_is_right(self, provider: str, user: str, password: str) -> bool:
        if provider in self.users:
            return self.users[provider].get(user) == password
        return bool(user and password) and not password.startswith("bad")
