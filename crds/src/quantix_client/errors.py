"""What the API server's refusals and the network's failures become.

Raised by `ApiClient` only; read by reconcilers, which see the classes of `quantix_api.errors` beneath
(TransientError: try again with backoff; PermanentError: somebody has to change something first).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantix_api.errors import PermanentError, QuantixError, TransientError


class ApiError(QuantixError):
    """The API server did not do what was asked. `code` is the HTTP status, 0 when there was no answer;
    `retry_after_s` is what the server asked us to wait, if it did.
    """

    code: int = 0

    def __init__(self, message: str, *, code: int = 0, reason: str = "", hint: str = "") -> None:
        super().__init__(reason or type(self).__name__, message, hint)
        self.code = code
        self.retry_after_s: float | None = None


class NotFound(ApiError, TransientError):
    """The object, or its kind, does not exist (404)."""


class Conflict(ApiError, TransientError):
    """Somebody else was faster, or the uid or resourceVersion sent is not the stored one (409)."""


class AlreadyExists(Conflict):
    """CREATE of a name that is taken (409)."""


class Gone(ApiError, TransientError):
    """The resourceVersion or the page asked for is no longer (or not yet) known (410, or 504 "too large")."""


class Forbidden(ApiError, TransientError):
    """RBAC or an admission policy refused (403). Roles and bindings may still come, so it is retried."""


class Unauthorized(ApiError, TransientError):
    """The server does not accept who we say we are (401), also after reading the credentials again."""


class Unprocessable(ApiError, PermanentError):
    """The object or the request is malformed (400, 405, 413, 415, 422): repeating it cannot help."""


class Throttled(ApiError, TransientError):
    """429 or 503 that outlasted the retries."""


class ServerFault(ApiError, TransientError):
    """Any other answer from 500 on."""


class Unreachable(ApiError, TransientError):
    """No answer: refused, reset, timed out, TLS failed. A write may or may not have happened.

    `server` is the URL that was asked and `cause` why nothing came, for people; "" where an answer came that
    is none.
    """

    server: str = ""
    cause: str = ""


class Silent(Unreachable):
    """A watch that said nothing for long: a dead connection, or nothing happened. Resume it to know."""


_BY_CODE: Mapping[int, type[ApiError]] = {
    400: Unprocessable,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: Unprocessable,
    409: Conflict,
    410: Gone,
    413: Unprocessable,
    415: Unprocessable,
    422: Unprocessable,
    429: Throttled,
    503: Throttled,
}


_INTERNAL = 500
# How the server refuses an apply whose fields are unknown, of a wrong type, or listed twice
_NOT_OF_THE_SCHEMA = "failed to create typed patch object"


def from_status(code: int, status: Mapping[str, Any]) -> ApiError:
    """The error for a `metav1.Status` body (or any body) that came with HTTP status `code`."""
    reason = str(status.get("reason") or "")
    message = str(status.get("message") or f"the API server answered {code}")
    causes = (status.get("details") or {}).get("causes") or []
    if reason == "AlreadyExists":
        return AlreadyExists(message, code=code, reason=reason)
    if reason == "Expired" or any(cause.get("reason") == "ResourceVersionTooLarge" for cause in causes):
        return Gone(message, code=code, reason=reason)
    if any(cause.get("field") == "metadata.uid" for cause in causes):
        # An apply that names the uid of an object that is gone, while a namesake is there (422 on the server)
        return Conflict(message, code=code, reason="UIDMismatch")
    if code == _INTERNAL and _NOT_OF_THE_SCHEMA in message:
        return Unprocessable(message, code=code, reason=reason)
    error = _BY_CODE.get(code, ServerFault if code >= 500 else Unprocessable)
    return error(message, code=code, reason=reason)
