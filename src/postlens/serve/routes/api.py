"""All routes of the API, and the document that describes them."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from postlens.serve.routes import analyze, creators, docs, forecast, health, offers, people, reactions
from postlens.serve.schemas import ProblemOut
from postlens.serve.security import ReadRoute
from postlens.serve.uploads import FILE_FIELDS, MULTIPART, URLENCODED
from postlens.version import __version__

SUMMARY: Final = "Niche, people, products, engagement and reactions of creators' posts."
ROUTERS: Final = (
    health.router,
    health.figures,
    reactions.router,
    analyze.router,
    analyze.reading,
    analyze.writing,
    creators.router,
    people.reading,
    people.writing,
    people.forgetting,
    offers.router,
    forecast.router,
)
TAKES_FILES: Final = ("/predict", "/predict_emojis", "/analyze", "/search", "/recommend", "/forecast")
_URL: Final = {"type": "array", "items": {"type": "string"}, "description": "In place of files, where URLs are on."}
_FILES: Final = {"type": "array", "items": {"type": "string", "format": "binary"}}


def add_routes(app: FastAPI) -> None:
    """Put the routes into the application, and their description at /openapi.json."""
    for router in (*ROUTERS, docs.router):
        app.include_router(router)

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = description()
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]  # FastAPI's documented way


def description() -> dict[str, Any]:
    """The OpenAPI document: with what routes need of keys, and what bodies of files look like."""
    shown = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    found = get_openapi(title="postlens", version=__version__, summary=SUMMARY, routes=shown)
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)  # told as problem documents
    schemas["ProblemOut"] = ProblemOut.model_json_schema()
    found["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    for route in shown:
        for method in route.methods or ():
            operation = found["paths"][route.path_format][method.lower()]
            if isinstance(route, ReadRoute):
                operation["security"] = [{"bearer": []}, {"header": []}, {}]
                operation["x-scope"] = route.needs
            if method == "POST" and route.path in TAKES_FILES:
                operation["requestBody"] = _body_of_files()
    return found


def _body_of_files() -> dict[str, Any]:
    fields = {**dict.fromkeys(FILE_FIELDS[:1], _FILES), "url": _URL}
    schema = {"type": "object", "properties": fields}
    urls = {"type": "object", "properties": {"url": _URL}}
    return {"required": True, "content": {MULTIPART: {"schema": schema}, URLENCODED: {"schema": urls}}}
