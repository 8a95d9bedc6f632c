"""Who may see a page, and whether a form was sent from one of ours.

Forms carry a token that must equal a cookie which other sites can neither read nor send with a form (`SameSite=Lax`),
and browsers that say where a request comes from must say: from here (double submit, OWASP's sheet on request forgery).
A link from elsewhere brings the cookies, so that it neither signs anybody out nor replaces the token of an open form;
what it leads to changes nothing.
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from fastapi import Request, Response

from postlens.serve.errors import Problem

CSRF_COOKIE, CSRF_FIELD = "postlens_form", "csrf"
SECURE_PREFIX = "__Host-"  # browsers take such a cookie by https only, from this very host (RFC 6265bis)
TOKEN_BYTES = 16
_OWN_SITES = ("same-origin", "none")  # none: typed by the user


def token_of(request: Request) -> str:
    """The token of this browser's forms, a new one on its first visit."""
    known = getattr(request.state, "csrf", None) or request.cookies.get(cookie_name(request, CSRF_COOKIE))
    request.state.csrf = known if known and len(known) == 2 * TOKEN_BYTES else secrets.token_hex(TOKEN_BYTES)
    return str(request.state.csrf)


def keep_token(request: Request, response: Response) -> None:
    """Set the cookie where a page handed out a new token."""
    token = getattr(request.state, "csrf", None)
    name = cookie_name(request, CSRF_COOKIE)
    if token is not None and token != request.cookies.get(name):
        response.set_cookie(name, token, httponly=True, samesite="lax", secure=is_secure(request), path="/")


def is_secure(request: Request) -> bool:
    """Whether the page came by https, so that its cookies may be kept to that."""
    return request.scope.get("scheme") == "https"


def cookie_name(request: Request, name: str) -> str:
    """What a cookie is called: over https with the prefix that binds it to this host."""
    return f"{SECURE_PREFIX}{name}" if is_secure(request) else name


async def own_form(request: Request) -> None:
    """Refuse forms that no page of ours sent; a dependency of routes that change something. Raises `Problem`."""
    expect_own_site(request)
    given = (await request.form()).get(CSRF_FIELD)
    check_token(request, given if isinstance(given, str) else "")


def check_token(request: Request, given: str) -> None:
    """Raise `Problem` unless a form brought the token of this browser."""
    kept = request.cookies.get(cookie_name(request, CSRF_COOKIE))
    if not kept or not hmac.compare_digest(given.encode("utf-8", "replace"), kept.encode("utf-8", "replace")):
        raise Problem("origin-refused", "this form is from no page that was opened here; reload the page and try again")


def expect_own_site(request: Request) -> None:
    """Raise `Problem` where a browser says that another site sends the form."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    foreign = site is not None and site not in _OWN_SITES
    if origin is not None and site is None:
        foreign = urlsplit(origin).netloc != request.headers.get("host")
    if foreign:
        raise Problem("origin-refused", "this form was sent by another site; open the page itself and try again")
