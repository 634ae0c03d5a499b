"""A mail server on this machine."""

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread


@contextmanager
def a_mail_server() -> Iterator[tuple[int, list[str]]]:
    """Yield the port of a mail server, and the mails that it took."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            for line in self.rfile:
                if line[:4].upper() == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    mails.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                self.wfile.write(b"221 bye\r\n" if line[:4].upper() == b"QUIT" else b"250 ok\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1], mails
        server.shutdown()
        thread.join()
