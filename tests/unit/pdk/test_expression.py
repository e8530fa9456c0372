"""The subset of Lua that templates are written in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.pdk.expression import FUNCTIONS, ExpressionError, compile_expression, to_text

SCOPE: dict[str, Any] = {
    **FUNCTIONS,
    "n": "2",
    "x": 5,
    "t": {"a": "A", "b-c": "BC", "list": ["one", "two"], 0: "zero", "deep": {"er": 1}},
    "yes": True,
    "no": False,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", "1"),
        ("0x10", "16"),
        ("1.50", "1.5"),
        ("1e3", "1000"),
        (".5", "0.5"),
        ("'it''s'", None),
        ("'a' .. \"b\" .. 1", "ab1"),
        (r"'a\n\'\\'", "a\n'\\"),
        ("nil", "nil"),
        ("true", "true"),
        ("t.a", "A"),
        ("t['b-c']", "BC"),
        ('t["a"]', "A"),
        ("t[0]", "zero"),
        ("t.list[1]", "one"),
        ("t.list[3]", "nil"),
        ("t.deep.er", "1"),
        ("t.missing", "nil"),
        ("missing", "nil"),
        ("t.missing or 'default'", "default"),
        ("no or nil", "nil"),
        ("yes and 'a' or 'b'", "a"),
        ("no and 'a' or 'b'", "b"),
        ("not no", "true"),
        ("not 0", "false"),
        ("10 * n", "20"),
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("7 % 4 - 1", "2"),
        ("2 ^ 3 ^ 2", "512"),
        ("-2 ^ 2", "-4"),
        ("2 ^ -1", "0.5"),
        ("1 - 1 - 1", "-1"),
        ("7 / 2", "3.5"),
        ("1 / 0", "inf"),
        ("1 .. 2 == '12'", "true"),
        ("x == 5", "true"),
        ("n == 2", "false"),
        ("x ~= 6 and x >= 5 and x <= 5", "true"),
        ("'a' < 'b'", "true"),
        ("1 < 2 == true", "true"),
        ("#t.list", "2"),
        ("#'abc'", "3"),
        ("type(t)", "table"),
        ("type(t.a)", "string"),
        ("type(missing)", "nil"),
        ("type(type)", "function"),
        ("type(x) .. type(yes)", "numberboolean"),
        ("tostring(x)", "5"),
        ("tonumber('0x1f')", "31"),
        ("tonumber('z', 36)", "35"),
        ("tonumber('nope')", "nil"),
        ("string.upper(t.a .. 'b')", "AB"),
        ("string.sub('hello', 2, -2)", "ell"),
        ("string.sub('hello', -3)", "llo"),
        ("string.reverse(string.lower('AB'))", "ba"),
        ("string.len(12)", "2"),
        ("math.floor(7 / 2) + math.max(1, 3) + math.ceil(0.5) + math.min(2, 9) + math.abs(-1)", "10"),
        ("table.concat(t.list, ', ')", "one, two"),
    ],
)
def test_evaluates(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ExpressionError):
            compile_expression(text)
    else:
        assert to_text(compile_expression(text)(SCOPE)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "1 +", "(1", "a b", "t.", "t[1", "f(1", "f(1 2)", "=", "a = 1", "{}", "'open", "and", "t.'a'", "@"],
)
def test_what_does_not_compile(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("missing.x", "attempt to index a nil value"),
        ("x.y", "attempt to index a number value"),
        ("t.a.b", "attempt to index a string value"),
        ("type.x", "attempt to index a function value"),
        ("missing()", "attempt to call a nil value"),
        ("10 * 'ten'", "attempt to perform arithmetic on a string value"),
        ("-yes", "attempt to perform arithmetic on a boolean value"),
        ("1 < '2'", "attempt to compare number with string"),
        ("yes < no", "attempt to compare boolean with boolean"),
        ("'a' .. nil", "string expected, got nil"),
        ("string.upper()", "string expected, got nil"),
        ("string.sub('a')", "bad number of arguments"),
        ("table.concat('a')", "table expected, got string"),
    ],
)
def test_what_does_not_evaluate(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match="^" + message):
        compile_expression(text)(SCOPE)


def test_nesting_is_limited() -> None:
    with pytest.raises(ExpressionError, match="nested too deeply"):
        compile_expression("(" * 200 + "1" + ")" * 200)


@given(st.text(alphabet="abt.[]()'\"+-*/^%<>=~ 0123456789,nil#", max_size=30))
def test_any_text_compiles_or_says_why(text: str) -> None:
    try:
        evaluate = compile_expression(text)
        to_text(evaluate(SCOPE))
    except ExpressionError:
        pass
