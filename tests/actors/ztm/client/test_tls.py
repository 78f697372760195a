"""Mutual TLS against a real server that demands a client certificate."""

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from actors.http.client import HttpClient
from actors.ztm.client.tls import tls_context
from actors.ztm.client.ztm_client import ZtmClient
from actors.ztm.errors import AgentUnreachable, TlsFilesUnusable, ZtmError
from tests.actors.loopback import in_loop, json_answer, loopback
from tests.actors.ztm.certificates import Authority, Issued, demanding


class Pki:
    """Ours, and a stranger's authority that nobody here trusts."""

    def __init__(self, folder: Path) -> None:
        self.ours = Authority(folder, "ours")
        self.strange = Authority(folder, "strange")
        self.server = self.ours.issue("server")
        self.client = self.ours.issue("client")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


async def ask_for_users(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext | None, host: str = "127.0.0.1"
) -> list[str]:
    async with loopback(lambda _: json_answer(["alice"]), tls=server_tls) as server:
        http = HttpClient(tls=None if client_tls is None else lambda: client_tls)
        url = server.url.replace("127.0.0.1", host)
        client = ZtmClient(http, agent_url=url, mesh="m", timeout_s=10)
        try:
            return (await client.users()).items
        finally:
            await http.aclose()


def context(pki: Pki, client: Issued | None) -> ssl.SSLContext:
    if client is None:
        return tls_context(ca_file=pki.ours.file)[0]
    return tls_context(ca_file=pki.ours.file, cert_file=client.cert, key_file=client.key)[0]


@in_loop
async def test_with_the_right_certificates_the_agent_answers(pki: Pki) -> None:
    users = await ask_for_users(
        demanding(pki.server, clients_of=pki.ours), context(pki, pki.client)
    )
    assert users == ["alice"]


@in_loop
async def test_over_tls_12_as_well(pki: Pki) -> None:
    server = demanding(pki.server, clients_of=pki.ours)
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await ask_for_users(server, context(pki, pki.client)) == ["alice"]


@contextmanager
def explaining(tls: ssl.SSLContext) -> Iterator[str]:
    """The address of a server that ends each handshake as nginx does: alert first, then patience.

    asyncio's own server hangs up so abruptly that its alert is lost.
    """

    def refuse_one() -> None:
        raw, _ = listener.accept()
        with tls.wrap_socket(raw, server_side=True, do_handshake_on_connect=False) as connection:
            with suppress(ssl.SSLError):
                connection.do_handshake()
            while socket.socket.recv(connection, 65536):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=refuse_one)
        server.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        server.join()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("client", "alert"),
    [
        ("none", "handshake failure|certificate required"),
        ("of a stranger", "alert unknown ca"),
        ("expired", "alert certificate expired"),
    ],
)
@in_loop
async def test_a_client_certificate_that_the_server_refuses_is_a_clear_error(
    pki: Pki, client: str, alert: str, version: ssl.TLSVersion
) -> None:
    tls = demanding(pki.server, clients_of=pki.ours)
    tls.minimum_version = tls.maximum_version = version
    shown = {
        "none": None,
        "of a stranger": pki.strange.issue("client"),
        "expired": pki.ours.issue("late", days=-1),
    }[client]
    with explaining(tls) as url:
        http = HttpClient(tls=lambda: context(pki, shown))
        agent = ZtmClient(http, agent_url=url, mesh="m", timeout_s=10)
        says = rf"TLS failed: .*({alert}); check caFile, certFile and keyFile"
        with pytest.raises(AgentUnreachable, match=says):
            await agent.users()
        await http.aclose()


@in_loop
async def test_a_server_that_hangs_up_on_our_certificate_is_told_as_a_possibility(pki: Pki) -> None:
    server = demanding(pki.server, clients_of=pki.ours)
    with pytest.raises(ZtmError, match=r"client certificate|TLS failed"):
        await ask_for_users(server, context(pki, None))


@in_loop
async def test_an_expired_server_is_refused(pki: Pki) -> None:
    server = demanding(pki.ours.issue("old", days=-1), clients_of=pki.ours)
    with pytest.raises(AgentUnreachable, match="certificate was refused: certificate has expired"):
        await ask_for_users(server, context(pki, pki.client))


@in_loop
async def test_a_server_of_another_authority_is_refused(pki: Pki) -> None:
    server = demanding(pki.strange.issue("server"), clients_of=pki.ours)
    with pytest.raises(AgentUnreachable, match="certificate was refused: unable to get local"):
        await ask_for_users(server, context(pki, pki.client))


@in_loop
async def test_a_server_with_the_certificate_of_another_host_is_refused(pki: Pki) -> None:
    server = demanding(pki.ours.issue("other", host="other.example"), clients_of=pki.ours)
    with pytest.raises(AgentUnreachable, match="certificate was refused: IP address mismatch"):
        await ask_for_users(server, context(pki, pki.client))


@in_loop
async def test_without_tls_files_only_public_authorities_are_trusted(pki: Pki) -> None:
    server = demanding(pki.server, clients_of=pki.ours)
    with pytest.raises(AgentUnreachable, match="certificate was refused"):
        await ask_for_users(server, None)


def test_a_key_that_others_can_read_is_a_warning(pki: Pki) -> None:
    client = pki.ours.issue("careless")
    client.key.chmod(0o644)
    _, warnings = tls_context(ca_file=pki.ours.file, cert_file=client.cert, key_file=client.key)
    assert warnings == [
        f"{client.key} holds a private key and has mode 0644; protect it: chmod 600 {client.key}"
    ]
    client.key.chmod(0o600)
    assert tls_context(cert_file=client.cert, key_file=client.key)[1] == []


def test_certificate_and_key_may_lie_in_one_file(pki: Pki, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.touch(mode=0o600)
    both.write_bytes(pki.client.key.read_bytes() + pki.client.cert.read_bytes())
    assert tls_context(cert_file=both)[1] == []


def refusal(**files: Path | None) -> str:
    with pytest.raises(TlsFilesUnusable) as caught:
        tls_context(**files)
    assert "PRIVATE KEY" not in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_named_with_its_option(pki: Pki, tmp_path: Path) -> None:
    gone = tmp_path / "gone.pem"
    assert f"tls.caFile {gone} cannot be read: No such file" in refusal(ca_file=gone)
    assert f"tls.certFile {gone} cannot" in refusal(cert_file=gone, key_file=pki.client.key)
    assert f"tls.keyFile {gone} cannot" in refusal(cert_file=pki.client.cert, key_file=gone)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_regular_file_is_not_waited_for(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "ca.pem")
    assert f"tls.caFile {tmp_path / 'ca.pem'} is no regular file" in refusal(
        ca_file=tmp_path / "ca.pem"
    )


def test_a_key_without_a_certificate_is_half_a_configuration(pki: Pki) -> None:
    assert "without tls.certFile" in refusal(key_file=pki.client.key)


def test_a_key_of_another_certificate_is_refused(pki: Pki) -> None:
    text = refusal(cert_file=pki.client.cert, key_file=pki.server.key)
    assert "cannot be used together (key values mismatch)" in text


def test_files_that_are_not_pem_are_refused(pki: Pki, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    assert "must be PEM" in refusal(ca_file=junk)
    assert "must be PEM" in refusal(cert_file=junk, key_file=pki.client.key)


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_passphrase(pki: Pki) -> None:
    locked = pki.ours.issue("locked", passphrase=b"hush")
    text = refusal(cert_file=locked.cert, key_file=locked.key)
    assert f"the key in {locked.key} is encrypted" in text
