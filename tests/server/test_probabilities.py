"""What the chat page shows of an answer's probabilities."""

from __future__ import annotations

import re

import pytest

from fragua.server.chat.html import with_probabilities


@pytest.mark.parametrize(
    ("text", "shown", "likely"),
    [
        ("forja ", "forja ", "forja␣"),
        ("\n", "↵\n", "↵"),
        ("\x01", r"\x01", r"\x01"),
        ("\u200b", r"\u200b", r"\u200b"),
        ("<b>", "&lt;b&gt;", "&lt;b&gt;"),
    ],
)
def test_each_token_has_something_to_point_at(text: str, shown: str, likely: str) -> None:
    found = re.fullmatch(
        r'<span class="token" .*aria-label="(.*) 100%">(.*)<span class="tip" role="tooltip">'
        r'<span class="chosen">100% <b>(.*)</b></span></span></span>',
        with_probabilities([(text, 0.0, [(text, 0.0)])]),
        re.DOTALL,
    )
    assert found and found.groups() == (shown.replace("↵\n", "↵"), shown, likely)
