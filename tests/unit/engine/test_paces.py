"""The time line of a run beside a simulator of another process: its clock waits for nobody."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator

import pytest

from krakked.domain.errors import BadInput
from krakked.engine.paces import _followed
from krakked.engine.venues import Pace

ANSWER_AFTER_S = 0.2
START_NS = 1_700_000_000 * 10**9


class Clock(http.server.BaseHTTPRequestHandler):
    """Tells the time as it was in the middle of a slow answer."""

    speed: str = "120"

    def do_GET(self) -> None:
        body = f'{{"now_ns": {START_NS}, "speed": {self.speed}}}'.encode()
        time.sleep(ANSWER_AFTER_S)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def admin_url() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Clock) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_followed_clock_is_dated_to_the_middle_of_the_answer(admin_url: str) -> None:
    before_s = time.monotonic()
    pace = _followed(admin_url)
    after_s = time.monotonic()
    assert pace is not None
    assert (pace.start_ns, pace.speed) == (START_NS, 120)
    assert pace.read_at_s is not None
    assert before_s + ANSWER_AFTER_S / 2 <= pace.read_at_s <= after_s - ANSWER_AFTER_S / 2


def test_run_that_begins_later_begins_at_what_the_followed_clock_says_then() -> None:
    pace = Pace(start_ns=START_NS, speed=120, read_at_s=50.0)
    assert pace.begins_at_ns(50.0) == START_NS
    assert pace.begins_at_ns(50.5) == START_NS + 60 * 10**9


@pytest.mark.parametrize("speed", [60.0, None])
def test_run_with_its_own_simulator_begins_when_it_begins(speed: float | None) -> None:
    pace = Pace(start_ns=START_NS, speed=speed)
    assert pace.begins_at_ns(12345.6) == START_NS


def test_clock_that_nobody_keeps_is_refused_by_its_address() -> None:
    with pytest.raises(BadInput, match=r"127\.0\.0\.1:9"):
        _followed("http://127.0.0.1:9")
