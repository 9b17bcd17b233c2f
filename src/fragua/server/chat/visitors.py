"""Who looks at a page: a random name in a cookie; and what a page may load."""

from __future__ import annotations

import re
import secrets

from starlette.datastructures import MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "fragua_visitor"
YEAR_S = 365 * 24 * 3600
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; form-action 'self'; base-uri 'self'; frame-ancestors 'none'"
)
"""Whatever got into a page, it can ask nothing of another host. The pages' framework writes and evaluates scripts."""


class Visitors:
    """Puts the visitor's name into `request.state.visitor`; a new one gets a cookie."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent = dict(scope["headers"]).get(b"cookie", b"").decode("latin-1")
        known = cookie_parser(sent).get(COOKIE, "")
        name = known if re.fullmatch(r"[\w-]{32}", known, re.ASCII) else secrets.token_urlsafe(24)
        scope.setdefault("state", {})["visitor"] = name

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers["content-security-policy"] = POLICY
                    if name != known:
                        cookie = f"{COOKIE}={name}; Path=/; Max-Age={YEAR_S}; HttpOnly; SameSite=Strict"
                        headers.append("set-cookie", cookie)
            await send(message)

        await self.app(scope, receive, marked)
