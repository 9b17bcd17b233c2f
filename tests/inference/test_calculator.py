"""The calculator against Python's own integers and fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fragua.inference.calculator import MAX_DIGITS, CalculationError, evaluate, plain_number
from fragua.inference.tools import Calculator, calculate, run_tool_call, schema


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> tuple[str, Fraction | None]:
    """An expression in Python's syntax and its exact value (None: it divides by zero)."""
    if depth == 0 or draw(st.booleans()):
        whole = draw(st.integers(0, 9999))
        if draw(st.booleans()):
            return str(whole), Fraction(whole)
        decimals = draw(st.text("0123456789", min_size=1, max_size=2))
        text = f"{whole}.{decimals}"
        return text.replace(".", draw(st.sampled_from(".,"))), Fraction(text)
    kind = draw(st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "neg"]))
    text, value = draw(expressions(depth=depth - 1))
    if kind == "neg":
        return f"-({text})", None if value is None else -value
    if kind == "**":
        power = draw(st.integers(-3, 3))
        if value is None or (value == 0 and power < 0):
            return f"({text})**{power}", None
        return f"({text})**{power}", value**power
    other_text, other = draw(expressions(depth=depth - 1))
    joined = f"({text}){draw(st.sampled_from(['', ' ']))}{kind} ({other_text})"
    if value is None or other is None or (other == 0 and kind in ("/", "//", "%")):
        return joined, None
    return joined, {
        "+": lambda: value + other,
        "-": lambda: value - other,
        "*": lambda: value * other,
        "/": lambda: value / other,
        "//": lambda: Fraction(value // other),
        "%": lambda: value % other,
    }[kind]()


def fits(value: Fraction) -> bool:
    return abs(value.numerator) < 10**MAX_DIGITS and value.denominator < 10**MAX_DIGITS


@given(expressions())
@settings(max_examples=300)
def test_every_expression_has_its_exact_value(case: tuple[str, Fraction | None]) -> None:
    text, expected = case
    try:
        value = evaluate(text)
    except CalculationError as error:
        allowed = ("digits", "characters") if expected is not None else ("digits", "characters", "zero")
        assert any(word in str(error) for word in allowed), (text, str(error))
    else:
        assert value == expected


@given(st.lists(st.tuples(st.sampled_from(["+", "-", "*", "//", "%", "**"]), st.integers(0, 9)), max_size=5))
@settings(max_examples=300)
def test_precedence_and_signs_are_pythons(parts: list[tuple[str, int]]) -> None:
    """Without parentheses: Python's own reading of the same text (its `eval` is the oracle, on digits only)."""
    text = "-7" + "".join(
        f"{operator}{digit % 3 if operator == '**' else digit}" for operator, digit in parts
    )
    assume(text.count("**") < 4)  # 2**2**2**2 is the largest tower that Python itself should take
    try:
        expected = eval(text)
    except (ZeroDivisionError, OverflowError):
        return
    if isinstance(expected, int) and abs(expected) < 10**50:
        assert calculate(text) == str(expected)


@given(st.text(max_size=300))
@settings(max_examples=500)
def test_any_text_gets_a_short_answer(text: str) -> None:
    answer = calculate(text)
    assert answer and len(answer) < 2 * MAX_DIGITS + 60


@given(st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=10**6))
def test_plain_numbers_round_to_half_a_unit_of_their_last_digit(value: Fraction) -> None:
    text = plain_number(value)
    assert "e" not in text.lower()
    shown = Fraction(text)
    assert abs(shown - value) <= max(Fraction(1, 20_000), 0) and (value == 0) == (shown == 0)
    if (value * 10**10).denominator == 1:
        assert shown == value


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("12*37", "444"),
        ("1/3", "0.3333"),
        ("2/3", "0.6667"),
        ("10/4", "2.5"),
        ("2,5 + 1", "3.5"),
        ("12 × 37 ÷ 2 − 1", "221"),
        ("2 · 3", "6"),
        ("-2**2", "-4"),
        ("2**-1", "0.5"),
        ("2^10", "1024"),
        ("2**3**2", "512"),
        ("sqrt(2)*sqrt(2)", "2"),
        ("√(9/4)", "1.5"),
        ("2**0.5", "1.4142"),
        ("1/30000", "0.00003333"),
        ("100000/3", "33333.3333"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("1/0", "error: division by zero"),
        ("0**-1", "error: division by zero"),
        ("", "error: the expression is empty"),
        ("2(3)", "error: an operator is missing before '('"),
        ("(1", "error: a ')' is missing"),
        ("1 +", "error: the expression ends too early"),
        ("2 ** 9999999", "error: the exponent is over 1024"),
        ("9**9**9", "error: the exponent is over 1024"),
        ("99999**1000", "error: the result has more than 128 digits"),
        ("sqrt(0-1)", "error: the square root of a negative number"),
        ("2**(1/3)", "error: only whole exponents and halves are known"),
        ("1,000+1", "error: '1,000' can be read in two ways; write 1000 or 1.000"),
        ("__import__('os')", "error: unknown name '__import__'; known: sqrt"),
        ("(" * 40 + "1" + ")" * 40, "error: nested deeper than 32"),
        ("-" * 40 + "1", "error: nested deeper than 32"),
        ("1+" * 200 + "1", "error: the expression is longer than 256 characters"),
    ],
)
def test_what_a_person_writes(expression: str, answer: str) -> None:
    assert calculate(expression) == answer


@given(st.fractions(min_value=0, max_value=10**12, max_denominator=10**6))
def test_square_roots(value: Fraction) -> None:
    root = evaluate(f"sqrt({value.numerator}/{value.denominator})")
    assert math.isclose(float(root), math.sqrt(value), rel_tol=1e-14, abs_tol=1e-35)
    assert evaluate(f"sqrt(({value.numerator}/{value.denominator})**2)") == value


def call(name: object, arguments: object) -> dict[str, object]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (call("calculator", {"expression": "12*37"}), "444"),
        (call("calculator", '{"expression": "12*37"}'), "444"),
        (call("calculator", '{"expression": '), "error: the arguments are not JSON"),
        (call("calculator", [1]), "error: the arguments must be a JSON object"),
        (call("calculator", {}), "error: calculator needs 'expression', a text such as \"12*37\""),
        (call("search", {}), "error: there is no tool 'search'; there is: calculator"),
        (call(7, {}), "error: a call needs a name and arguments"),
        ({}, "error: a call needs a name and arguments"),
    ],
)
def test_a_tool_call_always_has_an_answer(request_: dict[str, object], answer: str) -> None:
    assert run_tool_call(request_, [Calculator()]) == answer


def test_a_tool_describes_itself_as_openai_has_it() -> None:
    described = schema(Calculator())
    assert described["function"]["name"] == "calculator"
    assert described["function"]["parameters"]["required"] == ["expression"]
