"""What went wrong with a server, in words of ours: those of a library name its own classes, and may repeat
the URL with its password.

Used by `clients/http_source.py`. Pure.
"""

from __future__ import annotations

import errno
import ssl

import aiohttp

from quantix_api import message_table_phrases as words

_BY_NUMBER = {
    errno.ECONNREFUSED: words.REFUSED,
    errno.ENETUNREACH: words.NO_ROUTE,
    errno.EHOSTUNREACH: words.NO_ROUTE,
    errno.ETIMEDOUT: words.NO_ANSWER,
    errno.ECONNRESET: words.CUT_OFF,
    errno.EPIPE: words.CUT_OFF,
}


def trouble_of(error: BaseException) -> str:
    """What is wrong with the server, as far as `error` tells: of aiohttp, of a socket, or of time."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return words.CERTIFICATE_REFUSED.format(why=_certificate_words(error.certificate_error))
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return words.NO_TLS
        case aiohttp.ClientConnectorDNSError():
            return words.UNKNOWN_NAME
        case TimeoutError():
            return words.NO_ANSWER
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | ConnectionError():
            return _BY_NUMBER.get(getattr(error, "errno", None) or 0, words.CUT_OFF)
        case aiohttp.ClientResponseError():
            return words.NO_HTTP
        case OSError():
            return _BY_NUMBER.get(error.errno or 0, words.FAILED)
        case _:
            return words.FAILED


def _certificate_words(error: BaseException) -> str:
    """Those of OpenSSL, which are for people (x509_verify_cert_error_string(3))."""
    told = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else ""
    return told.rstrip(".").replace("'", "") or "?"
