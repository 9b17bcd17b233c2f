"""A labelling page over three tasks that stand here: `python board.py LOG ASK [LANG]`. No model is loaded."""

from __future__ import annotations

import sys

from fastapi import FastAPI

from fragua.alignment.feedback.events import Candidate
from fragua.alignment.feedback.labelling import Labelling, LabellingSettings
from fragua.alignment.feedback.log import EventLog
from fragua.alignment.feedback.tasks import Task

QUESTIONS = ("¿Cuánto es 12*37?", "What is a valley?", "<b>¿Quién</b> vive aquí?")
ANSWERS = (
    "Son 444.",
    "12*37 = 444. Se puede comprobar así: 12*30 = 360, 12*7 = 84, y la suma es 444.\n\nUn saludo.",
    "<script>alert(1)</script> No lo sé.",
)
SECRET = "5ec4e7" * 10


def tasks(count: int) -> list[Task]:
    candidates = tuple(Candidate(text=text, model=SECRET) for text in ANSWERS[:count])
    return [Task(prompt=({"role": "user", "content": text},), candidates=candidates) for text in QUESTIONS]


if __name__ == "__main__":
    from fragua.server.labelling.page import add_labelling
    from fragua.server.loopback import serve_here
    from fragua.server.page import add_pages

    log, ask, *_ = sys.argv[1:]
    settings = LabellingSettings.parse({"ask": ask, "overlap": 1})
    app = FastAPI(openapi_url=None)
    add_labelling(Labelling(tasks(3 if ask == "ranking" else 2), EventLog(log), settings))
    add_pages(app)
    serve_here(app, 0, lambda url: print(url, file=sys.stderr, flush=True))
