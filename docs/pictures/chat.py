"""Makes the pictures of the chat page: a model is served, and asked in a headless Chromium.

python docs/pictures/chat.py runs/laptop/assistant"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

HERE = Path(__file__).parent
ASKED = {
    "es": ("¿Cuánto es 12*37?", "¿Cuál es la capital de Francia?"),
    "en": ("What is 12*37?", "What is the capital of France?"),
}
NAMES = {"es": ("Otra respuesta", "Probabilidades"), "en": ("Regenerate", "Probabilities")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    model = parser.parse_args().model
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "fragua.cli.main", "serve", str(model), "--port", "0", "--chats", f"{folder}/chats"]
        server = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True)
        try:
            assert server.stderr is not None
            url = next(found[0] for line in server.stderr if (found := re.search(r"http://\S+:\d+", line)))
            with sync_playwright() as playwright:
                path = shutil.which("chromium") or shutil.which("google-chrome")
                browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
                for lang, theme, width, name in (
                    ("en", "light", 1280, "chat.png"),
                    ("es", "light", 1280, "chat.es.png"),
                    ("es", "dark", 390, "chat.phone.png"),
                ):
                    draw(browser, url, lang, theme, width, HERE / name)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def draw(browser: Browser, url: str, lang: str, theme: str, width: int, path: Path) -> None:
    """Two questions, and the pointer on a token of the second answer."""
    again, probabilities = NAMES[lang]
    context = browser.new_context(
        locale=f"{lang}-{'ES' if lang == 'es' else 'GB'}",
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": width, "height": 800},
    )
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#content")
    for number, text in enumerate(ASKED[lang]):
        page.locator(".ask textarea").fill(text)
        page.keyboard.press("Enter")
        page.locator(".turn.assistant").nth(number).wait_for()
        page.get_by_role("button", name=again).wait_for()
    page.get_by_role("button", name=probabilities).last.click()
    page.locator(".token").first.wait_for()
    page.locator(".token").last.hover()
    page.screenshot(path=path)
    context.close()


if __name__ == "__main__":
    main()
