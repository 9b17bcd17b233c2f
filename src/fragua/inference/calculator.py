"""A calculator's arithmetic: a small recursive-descent parser over exact fractions. Nothing is ever `eval`ed.

sum     := product (("+" | "-") product)*
product := unary (("*" | "/" | "//" | "%") unary)*
unary   := ("-" | "+") unary | power
power   := atom ("**" unary)?                     # right-associative: 2**3**2 = 512, -2**2 = -4, as in Python
atom    := number | "(" sum ")" | "sqrt" "(" sum ")"
"""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

MAX_CHARACTERS = 256
MAX_NESTING = 32
MAX_EXPONENT = 1024
MAX_DIGITS = 128
"""No value may need more digits above or below its fraction line."""

ROOT_DIGITS = 40
"""Decimals to which an irrational square root is taken before anything else is done with it."""

_TOKEN = re.compile(r"\s*(?:(\d+(?:[.,]\d+)?|[.,]\d+)|(\*\*|//|[-+*/%()])|([^\W\d]+)|(\S))", re.ASCII)
_SAME_AS = str.maketrans(
    {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "\u00a0": " ", "\u202f": " ", "^": "\x00", "√": "\x01"}
)
_PLAIN = {"\x00": "**", "\x01": " sqrt "}
_THOUSANDS = re.compile(r"[1-9]\d{0,2},\d{3}", re.ASCII)


class CalculationError(ValueError):
    """The expression has no value here; the text says why, for the model to read."""


def evaluate(expression: str) -> Fraction:
    """The exact value of `expression` (an irrational root to 40 decimals).

    Numbers have a decimal point or comma; operators are + - * / // % ** with Python's meaning,
    also × · ÷ − ^ √.
    Raises CalculationError for anything else, for a division by zero, and beyond the bounds above."""
    if len(expression) > MAX_CHARACTERS:
        raise CalculationError(f"the expression is longer than {MAX_CHARACTERS} characters")
    text = expression.translate(_SAME_AS)
    for mark, plain in _PLAIN.items():
        text = text.replace(mark, plain)
    return _Parser(text.strip()).parse()


def plain_number(value: Fraction) -> str:
    """'444', '2.5', '0.3333': exact where ten decimals do, else four decimals (of small ones, digits)."""
    if value.denominator == 1:
        return str(value.numerator)
    wide = Context(prec=2 * MAX_DIGITS + ROOT_DIGITS, rounding=ROUND_HALF_EVEN)
    number = wide.divide(Decimal(value.numerator), Decimal(value.denominator))
    exact = (value * 10**10).denominator == 1
    places = 10 if exact else max(4, 3 - number.adjusted())
    digits = f"{number.quantize(Decimal(1).scaleb(-places), context=wide):f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


class _Parser:
    """One pass over the tokens; each method reads what its name says and returns its value."""

    def __init__(self, text: str):
        self.tokens = [self._token(match) for match in _TOKEN.finditer(text)]
        self.at = 0
        self.depth = 0

    @staticmethod
    def _token(match: re.Match[str]) -> str:
        number, operator, name, other = match.groups()
        if other:
            raise CalculationError(f"'{other}' is not part of a calculation")
        if name and name != "sqrt":
            raise CalculationError(f"unknown name '{name}'; known: sqrt")
        if number and _THOUSANDS.fullmatch(number):
            whole = number.replace(",", "")
            raise CalculationError(
                f"'{number}' can be read in two ways; write {whole} or {number.replace(',', '.')}"
            )
        return number or operator or name

    def parse(self) -> Fraction:
        if not self.tokens:
            raise CalculationError("the expression is empty")
        value = self.sum()
        if self.at < len(self.tokens):
            raise CalculationError(f"an operator is missing before '{self.tokens[self.at]}'")
        return value

    def next_is(self, *operators: str) -> str | None:
        if self.at < len(self.tokens) and self.tokens[self.at] in operators:
            self.at += 1
            return self.tokens[self.at - 1]
        return None

    def sum(self) -> Fraction:
        value = self.product()
        while sign := self.next_is("+", "-"):
            right = self.product()
            value = _bounded(value + right if sign == "+" else value - right)
        return value

    def product(self) -> Fraction:
        value = self.unary()
        while operator := self.next_is("*", "/", "//", "%"):
            right = self.unary()
            if operator != "*" and right == 0:
                raise CalculationError("division by zero")
            if operator == "*":
                value = _bounded(value * right)
            elif operator == "/":
                value = _bounded(value / right)
            else:
                value = _bounded(Fraction(value // right) if operator == "//" else value % right)
        return value

    def unary(self) -> Fraction:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise CalculationError(f"nested deeper than {MAX_NESTING}")
        sign = self.next_is("-", "+")
        value = self.unary() if sign else self.power()
        self.depth -= 1
        return -value if sign == "-" else value

    def power(self) -> Fraction:
        base = self.atom()
        return _power(base, self.unary()) if self.next_is("**") else base

    def atom(self) -> Fraction:
        if self.next_is("("):
            return self._closed(self.sum())
        if self.next_is("sqrt"):
            if self.next_is("("):
                return _root(self._closed(self.sum()))
            return _root(self._number())
        return self._number()

    def _closed(self, value: Fraction) -> Fraction:
        if not self.next_is(")"):
            raise CalculationError("a ')' is missing")
        return value

    def _number(self) -> Fraction:
        if self.at == len(self.tokens):
            raise CalculationError("the expression ends too early")
        token = self.tokens[self.at]
        if not (token[0].isdigit() or token[0] in ".,"):
            raise CalculationError(f"a number is missing before '{token}'")
        self.at += 1
        if len(token) > MAX_DIGITS:
            raise CalculationError(f"a number has more than {MAX_DIGITS} digits")
        return Fraction(token.replace(",", "."))


def _bounded(value: Fraction) -> Fraction:
    limit = 10**MAX_DIGITS
    if abs(value.numerator) >= limit or value.denominator >= limit:
        raise CalculationError(f"the result has more than {MAX_DIGITS} digits")
    return value


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if abs(exponent) > MAX_EXPONENT:
        raise CalculationError(f"the exponent is over {MAX_EXPONENT}")
    if base == 0 and exponent < 0:
        raise CalculationError("division by zero")
    if exponent.denominator == 2:
        base, exponent = _root(base), Fraction(exponent.numerator)
    if exponent.denominator != 1:
        raise CalculationError("only whole exponents and halves are known")
    # The size is known before the power is taken: digits grow by the factor of the exponent.
    widest = max(abs(base.numerator), base.denominator)
    if (widest.bit_length() - 1) * abs(exponent) > MAX_DIGITS * math.log2(10):
        raise CalculationError(f"the result has more than {MAX_DIGITS} digits")
    return _bounded(base ** int(exponent))


def _root(value: Fraction) -> Fraction:
    if value < 0:
        raise CalculationError("the square root of a negative number")
    up, down = math.isqrt(value.numerator), math.isqrt(value.denominator)
    if up * up == value.numerator and down * down == value.denominator:
        return Fraction(up, down)
    scale = 10**ROOT_DIGITS
    return Fraction(math.isqrt(value.numerator * scale * scale // value.denominator), scale)
