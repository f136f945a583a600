"""HTTPS in front of the web process, as by a reverse proxy in production."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from runtime import clock
from tests.support.programs import free_port

_ANY = "*.example"


@dataclass
class Front:
    """Two ports, so that there is also a page of another port. Connections appear to come from
    `address`."""

    behind: int
    port: int
    other_port: int
    address: str = "127.0.0.1"
    loop: asyncio.AbstractEventLoop | None = None
    _connected: set[asyncio.StreamWriter] = field(default_factory=set)

    def move(self, address: str) -> None:
        """Closes all connections; later connections appear to come from that address."""

        async def disconnect() -> None:
            self.address = address
            for writer in self._connected:
                writer.transport.abort()

        assert self.loop is not None
        asyncio.run_coroutine_threadsafe(disconnect(), self.loop).result(10)

    async def pass_on(
        self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        from_web, to_web = await asyncio.open_connection(
            "127.0.0.1", self.behind, local_addr=(self.address, 0)
        )
        self._connected.add(to_web)
        try:
            await asyncio.gather(_copy(from_client, to_web), _copy(from_web, to_client))
        finally:
            self._connected.remove(to_web)


@contextmanager
def front(behind: int, folder: Path) -> Iterator[Front]:
    """Runs in a thread of its own, because the browser's driver blocks."""
    proxy = Front(behind, free_port(), free_port())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(_certificate(folder))
    start: Future[asyncio.Event] = Future()

    async def serve() -> None:
        proxy.loop, end = asyncio.get_running_loop(), asyncio.Event()
        async with AsyncExitStack() as stack:
            for port in (proxy.port, proxy.other_port):
                server = await asyncio.start_server(proxy.pass_on, "127.0.0.1", port, ssl=context)
                stack.callback(server.close)
            start.set_result(end)
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    end = start.result(10)
    try:
        yield proxy
    finally:
        assert proxy.loop is not None
        proxy.loop.call_soon_threadsafe(end.set)
        thread.join()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    except OSError:  # of the connection, or of TLS
        pass
    finally:
        target.close()


def _certificate(folder: Path) -> Path:
    """For every host of the tests, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, _ANY)])
    now = clock.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "front.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file
