"""A receiver on this machine that keeps what it was sent."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rl_assets.alerts.alert import Alert


class HttpReceiver:
    """Answers every POST with a status and keeps the document."""

    def __init__(self) -> None:
        self.status = 200
        self.delay = threading.Event()
        self.delay.set()
        self.documents: list[Any] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.delay.wait(10)
                if receiver.status < 300:
                    receiver.documents.append(json.loads(body))
                self.send_response(receiver.status)
                if receiver.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook/secret-token"


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    receiver = HttpReceiver()
    thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
    thread.start()
    yield receiver
    receiver.delay.set()
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


def alert(event_id: int = 7, **changes: Any) -> Alert:
    fields: dict[str, Any] = {
        "kind": "promoted",
        "env": "CartPole-v1",
        "sentence": "ppo-lr=0.001, member of seed 3, is in production (generation 2)",
        "numbers": {"gate_mean_return": 487.5},
        "links": {"run": "https://dagster.example.com/runs/abc"},
        "event_id": event_id,
        "at": 1_767_000_000.0,
    }
    return Alert(**fields | changes)
