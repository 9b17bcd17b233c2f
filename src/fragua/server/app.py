"""The app: routes, handlers of errors, and the gate around them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

import fragua
from fragua.server.api import chat, completions, embeddings, others
from fragua.server.api.errors import add_handlers
from fragua.server.hosted import Hosting
from fragua.server.metrics import CONTENT_TYPE, Exposition


def make_app(hosting: Hosting, origins: Sequence[str] = ()) -> FastAPI:
    """`origins`: whose pages a browser may let read the answers; none but our own unless they are named."""

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

    add_handlers(app)
    if origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"]
        )
    return app
