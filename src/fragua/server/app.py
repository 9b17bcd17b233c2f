"""The app: routes, handlers of errors, and the gate around them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

import fragua
from fragua.server.api import chat, completions, embeddings, others
from fragua.server.api.errors import ApiError, add_handlers
from fragua.server.hosted import Hosting
from fragua.server.metrics import CONTENT_TYPE, Exposition


def make_app(
    hosting: Hosting, origins: Sequence[str] = (), chats: Path | None = None, feedback: Path | None = None
) -> FastAPI:
    """`origins`: whose pages a browser may let read the answers; none but our own unless they are named. `chats`: the
    file of conversations; without one there are no pages. With one: once a process. `feedback`: the log of what
    people say of answers on the page; None: they are not asked."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        hosting.start()
        yield
        hosting.close()

    app = FastAPI(
        title="Fragua", version=fragua.__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.hosting = hosting
    for router in (chat.router, completions.router, embeddings.router, others.router):
        app.include_router(router)
    exposition = Exposition(hosting)

    @app.get("/metrics")
    def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(exposition.page(), media_type=CONTENT_TYPE)

    @app.api_route(
        "/v1/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False
    )
    def unknown(path: str) -> Response:
        raise ApiError(404, f"nothing answers to this at /v1/{path}", code="unknown_url")

    add_handlers(app)
    if chats is not None:
        _add_pages(app, hosting, chats, feedback)
    if origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"]
        )
    return app


def _add_pages(app: FastAPI, hosting: Hosting, chats: Path, feedback: Path | None) -> None:
    from fragua.server.chat.feedback import Feedback
    from fragua.server.chat.page import add_chat
    from fragua.server.chat.store import Conversations
    from fragua.server.chat.visitors import Visitors
    from fragua.server.page import add_pages

    add_chat(hosting, Conversations(chats), Feedback(feedback) if feedback else None)
    add_pages(app)
    app.add_middleware(Visitors)
