"""A camera for tests: an MJPEG stream on loopback, in real time, whose pictures spell their numbers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import cv2

from dmd_runtime.messages import UInt8
from dmd_runtime.sources.synthetic import frame_image


class MjpegServer:
    """Serves numbered pictures at ``fps`` to whoever connects; a context manager.

    Numbers follow the server's own time, as a camera's do that runs on while nobody looks: within one connection they
    go up by one.

    Parameters
    ----------
    picture : callable, optional
        Number -> BGR picture, instead of one that spells the number in black and white.

    Attributes
    ----------
    url : str
    sent : dict number -> monotonic time
        When each picture was handed to the socket.
    """

    def __init__(
        self, fps: float = 30.0, size: tuple[int, int] = (640, 480), picture: Callable[[int], UInt8] | None = None
    ) -> None:
        self.fps = fps
        self.picture = picture or (lambda number: frame_image(number, size))
        self.sent: dict[int, float] = {}
        self._origin = time.monotonic()
        self._moving = threading.Event()
        self._moving.set()
        self._gone = threading.Event()
        self._sockets: list[socket.socket] = []
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/video"

    def __enter__(self) -> MjpegServer:
        self.plug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    def plug(self) -> None:
        """Listen, always on the same port."""
        assert self._server is None
        self._gone.clear()
        stream = self._stream

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: Any) -> None: ...

            def do_GET(self) -> None:
                stream(self)

        class Server(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = False  # so that server_close() waits for them

        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="mjpeg-server")
        self._thread.start()

    def unplug(self) -> None:
        """Break every connection and refuse new ones. Idempotent."""
        if self._server is None or self._thread is None:
            return
        self._gone.set()
        self._moving.set()
        for connection in self._sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None

    def freeze(self) -> None:
        """Keep connections open and send nothing, as a camera does that hangs."""
        self._moving.clear()

    def thaw(self) -> None:
        """Send again."""
        self._moving.set()

    def _stream(self, handler: BaseHTTPRequestHandler) -> None:
        self._sockets.append(handler.connection)
        try:
            if handler.path != "/video":
                handler.send_error(404)
                return
            handler.send_response(200)
            handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            handler.end_headers()
            number = int((time.monotonic() - self._origin) * self.fps) + 1
            while not self._gone.is_set():
                picture = cv2.imencode(".jpg", self.picture(number))[1].tobytes()
                self._gone.wait(max(0.0, self._origin + number / self.fps - time.monotonic()))
                self._moving.wait()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.sent[number] = time.monotonic()
                handler.wfile.write(head.encode() + picture + b"\r\n")
                number += 1
        except OSError:
            pass  # the reader went away
        finally:
            self._sockets.remove(handler.connection)
