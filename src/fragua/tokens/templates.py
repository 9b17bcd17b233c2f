"""Chat templates: sandboxed Jinja2 set up as in transformers, with marks around what the assistant writes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import jinja2
import jinja2.exceptions
import jinja2.ext
import jinja2.utils
from jinja2 import nodes
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from fragua.errors import InputError

OPEN_MARK, CLOSE_MARK = "generation_open_mark", "generation_close_mark"
"""Variables a rendering may set: written where a `{% generation %}` block begins and ends."""

FROM_WITHIN = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError)
"""What a template's own expressions may raise."""


class PublicNamespace(jinja2.utils.Namespace):
    """Jinja2's `namespace`, without the underscored names by which a template could reach Python's insides."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, *rest = args
        values = dict(*rest, **kwargs)
        for name in values:
            _refuse_private(name)
        jinja2.utils.Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_private(name)
        super().__setitem__(name, value)


def _refuse_private(name: str) -> None:
    if name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"a template may not set {name!r}")


class GenerationBlocks(jinja2.ext.Extension):
    """`{% generation %}…{% endgeneration %}`: the body, between the two marks."""

    tags = {"generation"}  # noqa: RUF012 (Jinja2's own declaration)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        opening, closing = (nodes.Output([nodes.Name(name, "load")]) for name in (OPEN_MARK, CLOSE_MARK))
        return nodes.Scope([opening, *body, closing]).set_lineno(line)


def builtin_template() -> str:
    """The project's own template: ChatML with tools."""
    return (Path(__file__).parent / "chat_template.jinja").read_text(encoding="utf-8")


def strip_generation_marks(template: str) -> str:
    """The same template for programs that know plain Jinja2 only.

    Each mark becomes an `if true` with the same whitespace control, so the rendering stays equal."""
    template = re.sub(r"\{%([-+]?)\s*generation\s*([-+]?)%\}", r"{%\1 if true \2%}", template)
    return re.sub(r"\{%([-+]?)\s*endgeneration\s*([-+]?)%\}", r"{%\1 endif \2%}", template)


def render_template(template: str, variables: Mapping[str, Any]) -> str:
    """Raises InputError where the template is broken or refuses the conversation."""
    try:
        return _compile(template).render(**variables)
    except jinja2.TemplateSyntaxError as error:
        raise InputError(f"line {error.lineno}: {error.message}", "chat template") from error
    except (jinja2.TemplateError, *FROM_WITHIN) as error:
        raise InputError(f"the chat template can't render this conversation: {error}") from error


@lru_cache(maxsize=16)
def _compile(template: str) -> jinja2.Template:
    def raise_exception(message: str) -> NoReturn:
        raise jinja2.TemplateError(message)

    def tojson(
        value: Any,
        ensure_ascii: bool = False,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ) -> str:  # Jinja2's own escapes HTML
        return json.dumps(
            value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlocks, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["dict"] = lambda *args, **kwargs: dict(*args, **kwargs)
    environment.globals["namespace"] = PublicNamespace
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(template)
