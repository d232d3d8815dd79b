"""A web server for tests: serves a directory, and breaks off half way below `/half/`.

Run as `python -m quantix_lab.web_server DIRECTORY ADDRESS PORT` in the world of a `Machine`; it prints one
line when it listens.
"""

from __future__ import annotations

import functools
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(SimpleHTTPRequestHandler):
    """`/half/NAME` promises the whole file NAME and sends the first half of it."""

    def do_GET(self) -> None:
        if not self.path.startswith("/half/"):
            super().do_GET()
            return
        content = Path(self.directory, Path(self.path).name).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: nobody reads it."""


def main() -> None:
    directory, address, port = sys.argv[1:]
    with ThreadingHTTPServer((address, int(port)), functools.partial(Handler, directory=directory)) as server:
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
