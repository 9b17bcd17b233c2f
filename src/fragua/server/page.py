"""The frame of every page: theme, language, keys. What stands inside is the page's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

from fastapi import FastAPI, Request
from nicegui import ui
from nicegui.element import Element

from fragua.language import Lang, speaker

FOLDER = Path(__file__).parent
STYLES = (FOLDER.parent / "palette.css", FOLDER / "page.css")
LANGS: tuple[tuple[Lang, str], ...] = (("es", "Español"), ("en", "English"))


def add_pages(app: FastAPI) -> None:
    """Puts the pages that were declared with `ui.page` behind the app's own routes. Once a process."""
    ui.run_with(app, title="Fragua", dark=None, favicon=ICON, tailwind=False, show_welcome_message=False)


def page_lang(request: Request, default: Lang | None = None) -> Lang:
    """What `?lang=` names, else the default, else the first of the browser's languages that is spoken here."""
    asked = [request.query_params.get("lang", ""), default or ""]
    asked += [part.split(";")[0].strip() for part in request.headers.get("accept-language", "").split(",")]
    return next((lang for name in asked for lang, _ in LANGS if name.lower().startswith(lang)), "en")


@contextmanager
def frame(request: Request, title: str, lang: Lang, *styles: Path) -> Iterator[None]:
    """The page around the content that is made inside: name, title, choice of language and of light or dark.
    `styles`: the page's own, besides.

    Keys: a button with the attribute `aria-keyshortcuts` is pressed by that key wherever no text is being written."""
    say = speaker(lang)
    ui.page_title(f"{title} · Fragua")
    style = "\n".join(path.read_text("utf-8") for path in (*STYLES, *styles))
    ui.add_head_html(f"<style>{style}</style><script>{(FOLDER / 'page.js').read_text('utf-8')}</script>")
    ui.add_head_html(f"<script>document.documentElement.lang = '{lang}'</script>")
    skip = say("Saltar al contenido", "Skip to the content")
    links = "".join(
        f'<a href="?{escape(request.url.include_query_params(lang=code).query)}" lang="{code}" hreflang="{code}"'
        f'{" aria-current=true" if code == lang else ""} aria-label="{name}">{code.upper()}</a>'
        for code, name in LANGS
    )
    theme = say("Claro u oscuro", "Light or dark")
    with ui.header(fixed=False):
        ui.html(
            f'<a class="skip" href="#content">{skip}</a><span class="mark">{ICON} Fragua</span>'
            f'<h1>{escape(title)}</h1><nav aria-label="{say("Lengua y tema", "Language and theme")}">{links}'
            f'<button type="button" aria-label="{theme}" title="{theme}" onclick="fraguaTheme()">◐</button></nav>',
            sanitize=False,
        ).classes("top")
    with ui.element("div").props('id="content" tabindex="-1"'):
        yield


def button(label: str, on_click: Callable[[], object] | None, key: str = "", style: str = "") -> Element:
    """A button that says its key; `style`: 'strong' or 'plain'."""
    made = ui.element("button").classes(f"button {style}")
    if on_click is not None:
        made.on("click", on_click)
    made.props["type"] = "button"
    with made:
        words("span", label)
        if key:
            made.props["aria-keyshortcuts"] = key
            words("kbd", key).props["aria-hidden"] = "true"
    return made


def writing(label: str, value: str, on_input: Callable[[str], None] | None, rows: int) -> Element:
    """A field of several lines with its label above; `on_input` is given its text as it changes."""
    with ui.element("label").classes("labelled"):
        words("span", label)
        made = ui.element("textarea").classes("field")
        made.props.update(value=value, rows=rows)
        if on_input is not None:
            made.on("input", lambda event: on_input(event.args), js_handler="(e) => emit(e.target.value)")
    return made


def words(tag: str, text: str) -> ui.html:
    """An element that holds a text and nothing else."""
    return ui.html(escape(text), tag=tag, sanitize=False)


ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">'
    '<path fill="#c2410c" d="M12 2c1 4 5 5.5 5 10.5A5 5 0 0 1 12 18a5 5 0 0 1-5-5c0-2 1-3.500 2-4.500 0 2 1 3 2 3'
    ' 1.500-3-.5-6 1-9.500zM5 20h14v2H5z"/></svg>'
)
"""A flame over an anvil's line."""
