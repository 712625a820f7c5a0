"""Writes decimal.tsv: sums done by Python's decimal module, an implementation of IEEE 754-2008 decimals that is not ours.

    python3 generate.py [rows] > decimal.tsv

Each row: operator, operands, result; `none` where there is no result. The range is that of a JSON number (see src/number.rs).
"""
import random
import sys
from decimal import ROUND_HALF_EVEN, Context, Decimal, setcontext

setcontext(Context(prec=34, rounding=ROUND_HALF_EVEN, Emin=-9999, Emax=9999, traps=[]))
LARGEST = Decimal("1.797693134862315708145274237317043E+308")
random.seed(7)


def within(x):
    """The result in our range: none past the largest number, zero below the smallest magnitude."""
    if not x.is_finite() or abs(x) > LARGEST:
        return None
    return Decimal(0) if x.is_zero() or x.adjusted() < -324 else x


def operand():
    while True:
        length = random.randint(1, 34) if random.random() > 0.3 else random.randint(1, 6)
        digits = random.choice([
            str(random.randrange(10**length)),
            "9" * length,
            "5" + "0" * (length - 1),
            "1" + "0" * (length - 1),
            "4" + "9" * (length - 1),
        ])
        exponent = random.choice([
            0, 0, -2, -length, random.randint(-40, 40), random.randint(-40, 40),
            random.randint(-320, 300) if random.random() < 0.3 else 0,
        ])
        x = within(Decimal(random.choice(["", "-"]) + digits + "E" + str(exponent)))
        if x is not None:
            return Decimal(0) if random.random() < 0.02 else x


def remainder(a, b):
    """Exact, also where the quotient has more digits than Python's own operator allows."""
    exponent = min(a.as_tuple().exponent, b.as_tuple().exponent)
    left, right = int(a.scaleb(-exponent, WIDE)), int(b.scaleb(-exponent, WIDE))
    rest = abs(left) % abs(right)
    return +Decimal(rest if left >= 0 else -rest).scaleb(exponent, WIDE)


WIDE = Context(prec=2000, Emin=-99999, Emax=99999)
OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else Decimal("NaN"),
    "%": lambda a, b: remainder(a, b) if b else Decimal("NaN"),
    "<": lambda a, b: Decimal((a > b) - (a < b)),
}

for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 2000):
    operator, a, b = random.choice(list(OPERATORS)), operand(), operand()
    result = within(OPERATORS[operator](a, b))
    text = "none" if result is None else str(result.normalize()) if result else "0"
    print(operator, a, b, text, sep="\t")
