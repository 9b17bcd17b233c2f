"""What a model wrote, as HTML that can do nothing but be read."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import exp
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML

Shown = Sequence[tuple[str, float, Sequence[tuple[str, float]]]]
"""Tokens: text, log-probability, and the likeliest with theirs."""

# No raw HTML, so no script; no picture, so no request to another host; a link is followed only by who clicks it.
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def _link(self: RendererHTML, tokens: Any, index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    tokens[index].attrSet("target", "_blank")
    return self.renderToken(tokens, index, options, env)


_markdown.add_render_rule("link_open", _link)


def rendered(text: str) -> str:
    """Markdown as HTML."""
    return _markdown.render(text)


def with_probabilities(tokens: Shown) -> str:
    """Each token with how sure the model was of it, and what else it would have said, told on hover and focus."""
    return "".join(_token(place, *token) for place, token in enumerate(tokens))


def _token(place: int, text: str, logprob: float, top: Sequence[tuple[str, float]]) -> str:
    lines = "".join(
        f'<span class="{"chosen" if other == text else ""}">{exp(value):.0%} '
        f"<b>{escape(_visible(other).replace(' ', '␣'))}</b></span>"
        for other, value in top
    )
    sure, shown = exp(logprob), escape(_visible(text, newline="↵\n"))
    return (
        f'<span class="token" tabindex="{0 if place == 0 else -1}" style="--doubt:{1 - sure:.2f}" '
        f'aria-label="{escape(_visible(text), quote=True)} {sure:.0%}">{shown}'
        f'<span class="tip" role="tooltip">{lines}</span></span>'
    )


def _visible(text: str, newline: str = "↵") -> str:
    """What has no picture, as its escape: else there is nothing to point at."""
    signs = (sign if sign.isprintable() else newline if sign == "\n" else ascii(sign)[1:-1] for sign in text)
    return "".join(signs)
