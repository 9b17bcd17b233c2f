"""Numbers in words, and the value of a chain of one operation, without a calculator."""

from __future__ import annotations

from fractions import Fraction

ES = [
    "cero",
    "uno",
    "dos",
    "tres",
    "cuatro",
    "cinco",
    "seis",
    "siete",
    "ocho",
    "nueve",
    "diez",
    "once",
    "doce",
    "trece",
    "catorce",
    "quince",
    "dieciséis",
    "diecisiete",
    "dieciocho",
    "diecinueve",
    "veinte",
    "veintiuno",
    "veintidós",
    "veintitrés",
    "veinticuatro",
    "veinticinco",
    "veintiséis",
    "veintisiete",
    "veintiocho",
    "veintinueve",
]
EN = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS_ES = ["_", "_", "_", "treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"]
TENS_EN = ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
HUNDREDS_ES = [
    "_",
    "ciento",
    "doscientos",
    "trescientos",
    "cuatrocientos",
    "quinientos",
    "seiscientos",
    "setecientos",
    "ochocientos",
    "novecientos",
]


def word(number: int, lang: str) -> str:
    """0 to 999 in words; figures above."""
    if number >= 1000 or number < 0:
        return str(number)
    if lang == "es":
        if number < 30:
            return ES[number]
        if number < 100:
            return TENS_ES[number // 10] + (f" y {ES[number % 10]}" if number % 10 else "")
        if number == 100:
            return "cien"
        return HUNDREDS_ES[number // 100] + (f" {word(number % 100, lang)}" if number % 100 else "")
    if number < 20:
        return EN[number]
    if number < 100:
        return TENS_EN[number // 10] + (f"-{EN[number % 10]}" if number % 10 else "")
    return f"{EN[number // 100]} hundred" + (f" and {word(number % 100, lang)}" if number % 100 else "")


def calculate(numbers: list[int], signs: str) -> str:
    """The value of `numbers` joined by `signs`, products before sums: an integer, or a decimal that ends."""
    terms = [Fraction(numbers[0])]
    for sign, number in zip(signs, numbers[1:], strict=True):
        if sign == "*":
            terms[-1] *= number
        elif sign == "/":
            terms[-1] /= number
        else:
            terms.append(Fraction(number if sign == "+" else -number))
    total = sum(terms, Fraction(0))
    return str(total.numerator) if total.denominator == 1 else str(float(total))
