"""A host that serves git repositories over HTTPS with a self-signed certificate."""

import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_BLOCK = b"x" * 65_536


@dataclass(frozen=True)
class GitHost:
    """The address of the host, and the file with its certificate."""

    address: str
    certificate: Path


@contextmanager
def git_host(repositories: Path, folder: Path) -> Iterator[GitHost]:
    """A host for the repositories of a folder; its certificate is written to another folder.

    `/locked` asks for a password, `/moved/...` redirects to a repository, and `/endless` never ends.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    _make_certificate(certificate, key)

    class Handler(_Handler):
        root = repositories

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield GitHost(f"127.0.0.1:{server.server_port}", certificate)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _make_certificate(certificate: Path, key: Path) -> None:
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1")
    files = ("-keyout", str(key), "-out", str(certificate))
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, *files]
    subprocess.run(command, check=True, capture_output=True)


class _Handler(BaseHTTPRequestHandler):
    """Passes requests to `git http-backend` (gitprotocol-http(5), git-http-backend(1))."""

    root: Path

    def do_GET(self) -> None:
        if self.path.startswith("/locked"):
            self._respond(401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")
        elif self.path.startswith("/moved"):
            self._respond(302, {"Location": self.path.removeprefix("/moved")}, b"")
        elif self.path.startswith("/endless"):
            self.send_response(200)
            self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(_BLOCK)
        else:
            self._run_git()

    def do_POST(self) -> None:
        self._run_git()

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""

    def _run_git(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        ended = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, content = ended.stdout.partition(b"\r\n\r\n")
        headers = dict(BytesParser().parsebytes(head).items())
        self._respond(int(headers.pop("Status", "200").split()[0]), headers, content)

    def _respond(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
