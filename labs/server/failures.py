"""What goes wrong, as the browser is told: a status, a message and what to try.

ServerError
├── NotFoundError    there is no such lab, file, hint or job
├── ConflictError    another window saved in between
├── TooLargeError    a text is longer than we read
└── UndecidedError   ours: a worker died or ran out of time
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException


class ServerError(Exception):
    """A request that cannot be served."""

    status = 400

    def __init__(self, message: str, hint: str = "", **more: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.more = more


class NotFoundError(ServerError):
    """There is nothing of that name."""

    status = 404


class ConflictError(ServerError):
    """Somebody else was faster."""

    status = 409


class TooLargeError(ServerError):
    """More than we read."""

    status = 413


class UndecidedError(ServerError):
    """We could not find out; not the learner's fault."""

    status = 503


def body(message: str, hint: str = "", more: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Return the JSON that every error has."""
    return {"message": message, "hint": hint, **(more or {})}


def install(app: FastAPI) -> None:
    """Make an application answer every error with a message and a hint."""
    app.add_exception_handler(ServerError, _failure)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _failure(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServerError)
    return JSONResponse(body(error.message, error.hint, error.more), status_code=error.status)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    message = f"{place}: {first['msg']}" if place else str(first["msg"])
    return JSONResponse(body(message, "Correct the field and try again."), status_code=422)


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse(body(str(error.detail)), status_code=error.status_code)
