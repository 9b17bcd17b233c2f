"""A conversation in which every answer comes from documents, with the sentence that says so."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from fragua.cli.chat_session import ChatSession
from fragua.cli.language import Say
from fragua.cli.screen import clean
from fragua.corpus.search import PassageIndex
from fragua.errors import FraguaError
from fragua.inference.completion import Options
from fragua.inference.documents import answer_from
from fragua.inference.language_model import LanguageModel


class DocumentSession(ChatSession):
    """Each question stands for itself: the passage fills the context."""

    def __init__(self, lm: LanguageModel, options: Options, say: Say, console: Console, index: PassageIndex):
        super().__init__(lm, options, say, console)
        self.index = index

    def _answer(self, line: str) -> None:
        try:
            told = answer_from(self.lm, self.index, line, max_tokens=self.options.max_tokens)
        except FraguaError as error:
            self.note(str(error))
            return
        self.messages += [{"role": "user", "content": line}, {"role": "assistant", "content": told.text}]
        self.console.print(clean(told.text))
        if told.by == "model":
            self.console.print(Text(clean(f"  «{told.quote}»"), style="cyan"))
        if not told.abstains:
            self.console.print(Text(clean(f"  — {told.source}"), style="cyan"))
