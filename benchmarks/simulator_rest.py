"""AddOrder and CancelOrder over REST: how many a second one core serves, and how long one takes.

The client is one socket with requests that were signed before, so that the time is the simulator's.
A second on one core is one of the simulator's processor time; the milliseconds are what a client
waits, alone on a busy or idle machine. The ratio is to the HTTP library alone, which reads the same
requests and answers each alike.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import time
from typing import NamedTuple
from urllib.parse import urlencode

from _simulator import Simulator, simulator

ORDERS, WARM = 2_000, 200


class Took(NamedTuple):
    """Of one method: processor time of each in µs, and what the client waited in ms."""

    cpu_us: float
    waited_ms: list[float]


class Client:
    """One connection, kept open."""

    def __init__(self, far: Simulator, port: int) -> None:
        self._far = far
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def all(self, requests: list[bytes]) -> tuple[Took, list[bytes]]:
        """Send each, and wait for its answer."""
        waited, answers = [], []
        before_s = self._far.cpu_s()
        for request in requests:
            began = time.perf_counter()
            self._socket.sendall(request)
            answers.append(self._body())
            waited.append((time.perf_counter() - began) * 1000)
        cpu_s = self._far.cpu_s() - before_s
        return Took(cpu_s / len(requests) * 10**6, waited), answers

    def _body(self) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(65_536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        while len(body) < length:
            body += self._socket.recv(65_536)
        return body


class Signer:
    """Requests as they stand on the wire; nonces go up with each."""

    def __init__(self, far: Simulator) -> None:
        self._key, self._secret = far.key, base64.b64decode(far.secret)
        self._nonce = 0

    def request(self, method: str, **params: object) -> bytes:
        self._nonce += 1
        path, body = f"/0/private/{method}", urlencode({"nonce": self._nonce, **params})
        digest = hashlib.sha256(f"{self._nonce}{body}".encode()).digest()
        mac = hmac.new(self._secret, path.encode() + digest, hashlib.sha512)
        lines = (
            f"POST {path} HTTP/1.1",
            "Host: 127.0.0.1",
            f"API-Key: {self._key}",
            f"API-Sign: {base64.b64encode(mac.digest()).decode()}",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
        )
        return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode()

    def adding(self, count: int) -> list[bytes]:
        wish = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.001"}
        return [
            self.request("AddOrder", **wish, price=f"{20_000 + number % 9_000}.0")
            for number in range(count)
        ]


def results(answers: list[bytes]) -> list[dict[str, list[str]]]:
    found = [json.loads(answer) for answer in answers]
    refused = [each["error"] for each in found if each["error"]]
    assert not refused, refused[0]
    return [each["result"] for each in found]


def measure(far: Simulator) -> dict[str, Took]:
    signer = Signer(far)
    client, bare = Client(far, far.ports["simulator"]), Client(far, far.ports["bare"])
    client.all(signer.adding(WARM))
    adding, answers = client.all(signer.adding(ORDERS))
    ids = [result["txid"][0] for result in results(answers)]
    cancelling, answers = client.all([signer.request("CancelOrder", txid=each) for each in ids])
    results(answers)
    bare.all(signer.adding(WARM))
    plain, _ = bare.all(signer.adding(ORDERS))
    client.close()
    bare.close()
    return {"AddOrder": adding, "CancelOrder": cancelling, "HTTP library alone": plain}


def main() -> None:
    with simulator() as far:
        found = measure(far)
    plain_us = found["HTTP library alone"].cpu_us
    columns = f"{'µs CPU':>10}{'a second':>11}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>8}"
    print(f"{f'{ORDERS:,} of each':21}{columns}")
    for name, took in found.items():
        waited = sorted(took.waited_ms)
        p50, p99 = (waited[int(len(waited) * part)] for part in (0.5, 0.99))
        rate = 10**6 / took.cpu_us
        figures = f"{took.cpu_us:10.0f}{rate:11,.0f}{p50:9.2f}{p99:9.2f}"
        print(f"{name:21}{figures}{took.cpu_us / plain_us:8.2f}")


if __name__ == "__main__":
    main()
