"""A Portcullis for this test run, and the official SDK pointed at it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, socket

import httpx
import pytest
from workos import WorkOSClient

from browser import Browser

REPOSITORY = Path(__file__).resolve().parents[3]
START_SECONDS = 30

# Nobody listens there: the browser stops before it gets there.
REDIRECT_URI = "http://localhost:9/callback"


@dataclass(frozen=True)
class Server:
    """What `portcullis dev --json` prints once it is ready."""

    url: str
    api_key: str
    client_id: str
    organization_id: str
    saml_connection_id: str
    oidc_connection_id: str
    test_idp_connection_id: str


def _free_port() -> int:
    with socket(AF_INET, SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    binary = Path(os.environ.get("PORTCULLIS_BIN", REPOSITORY / "target" / "debug" / "portcullis"))
    assert binary.exists(), f"no binary at {binary}: build it, or name one in PORTCULLIS_BIN"
    logs = REPOSITORY / "test-output" / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with open(logs / "python-portcullis.log", "wb") as log:
        command = [binary, "dev", "--ephemeral", "--port", str(_free_port()), "--json"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        try:
            lines: queue.Queue[bytes] = queue.Queue()
            threading.Thread(target=lambda: lines.put(process.stdout.readline()), daemon=True).start()
            try:
                line = lines.get(timeout=START_SECONDS)
            except queue.Empty:
                raise AssertionError(f"portcullis was not ready after {START_SECONDS} s, see {log.name}") from None
            assert line, f"portcullis ended before it was ready, see {log.name}"
            description = json.loads(line)
            server = Server(**{name: description[name] for name in Server.__annotations__})
            registered = httpx.post(
                f"{server.url}/user_management/redirect_uris",
                headers={"authorization": f"Bearer {server.api_key}"},
                json={"uri": REDIRECT_URI},
            )
            assert registered.status_code == 201, registered.text
            yield server
        finally:
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


@pytest.fixture(scope="session")
def workos(server: Server) -> WorkOSClient:
    return WorkOSClient(api_key=server.api_key, client_id=server.client_id, base_url=server.url)


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser(REDIRECT_URI) as browser:
        yield browser
