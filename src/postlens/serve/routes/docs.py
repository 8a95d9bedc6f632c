"""The OpenAPI document as a page that reads without scripts and without a network."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response

router = APIRouter(include_in_schema=False)
STYLE = """body{font:16px/1.5 system-ui,sans-serif;
 max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8884}
h2{margin-top:2.5rem}summary{cursor:pointer}"""


@router.get("/docs")
async def page(request: Request) -> Response:
    """Every operation with its parameters and answers."""
    text = "".join(_page(request.app.openapi()))
    return Response(text, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": _policy()})


def _policy() -> str:
    """Nothing but the style in the page itself."""
    digest = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'"


def _page(document: dict[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    yield f"<title>{escape(info['title'])} API</title><style>{STYLE}</style>"
    yield f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1><p>{escape(info.get('summary', ''))}"
    yield " The document itself: <a href=/openapi.json>/openapi.json</a>.</p>"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _operation(f"{method.upper()} {path}", operation)
    yield "<h2>Schemas</h2>"
    for name, schema in document["components"]["schemas"].items():
        text = escape(json.dumps(schema, indent=1, ensure_ascii=False))
        yield f"<details id='{escape(name)}'><summary><code>{escape(name)}</code></summary><pre>{text}</pre></details>"


def _operation(title: str, operation: dict[str, Any]) -> Iterator[str]:
    scope = operation.get("x-scope")
    yield f"<h2><code>{escape(title)}</code></h2><p>{escape(operation.get('description', ''))}"
    yield f" Scope: <code>{escape(scope)}</code>.</p>" if scope else " Needs no key.</p>"
    if operation.get("parameters"):
        yield "<table><tr><th>Parameter<th>In<th>What</tr>"
        for one in operation["parameters"]:
            needed = " (needed)" if one.get("required") else ""
            what = escape(one.get("description", "")) + needed
            yield f"<tr><td><code>{escape(one['name'])}</code><td>{escape(one['in'])}<td>{what}</tr>"
        yield "</table>"
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{escape(kind)}</code> {_schema(body['schema'])}</p>"
    yield "<table><tr><th>Answer<th>What</tr>"
    for status, answer in operation["responses"].items():
        shapes = " ".join(_schema(one.get("schema", {})) for one in answer.get("content", {}).values())
        yield f"<tr><td>{escape(status)}<td>{escape(answer.get('description', ''))} {shapes}</tr>"
    yield "</table>"


def _schema(schema: dict[str, Any]) -> str:
    """A link to a named schema; fields of one without a name."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f"<a href='#{name}'><code>{name}</code></a>"
    if "items" in schema:
        return f"list of {_schema(schema['items'])}"
    return " ".join(f"<code>{escape(name)}</code>" for name in schema.get("properties", {}))
