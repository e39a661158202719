"""What one more text would cost: the price told for this very text, or the usual one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

ENOUGH = 3  # prices that make a usual one


@dataclass(frozen=True, slots=True)
class Price:
    """`of` is how many texts it is the middle or the share of; 0: told for this very text."""

    amount: Decimal
    currency: str
    of: int = 0

    def times(self, parts: int, before: int) -> Price:
        """The price of a text of so many parts, where this one is of a text of `before`."""
        return self if parts == before else replace(self, amount=rounded(self.amount * parts / before))


def rounded(amount: Decimal) -> Decimal:
    """What was divided, to four digits that count: 0.4333, not 0.43333333333333333333."""
    return amount.quantize(Decimal(1).scaleb(min(amount.adjusted() - 3, 0))) if amount else amount


def usual(prices: Sequence[tuple[Decimal, str, int]]) -> Price | None:
    """The usual price of one part, from (price, currency, parts) of texts: the middle one in their commonest currency.

    None where too few are known.
    """
    currencies = [currency for _, currency, _ in prices]
    if not currencies:
        return None
    commonest = max(sorted(set(currencies)), key=currencies.count)
    each = sorted(amount / max(parts, 1) for amount, currency, parts in prices if currency == commonest)
    if len(each) < ENOUGH:
        return None
    return Price(rounded(each[len(each) // 2]), commonest, len(each))
