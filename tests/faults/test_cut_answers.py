"""Why an answer must leave whole: what botocore makes of one that is cut off, and what we send."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import HTTPClientError

from rightface.api.server import WholeAnswers

BODY = b'{"FaceRecords": [], "FaceModelVersion": "x", "UnindexedFaces": []}'
HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\n"
    b"content-length: %d\r\n\r\n" % len(BODY)
)


def answered(content: bytes) -> Any:
    """What boto3 returns where the server sends these bytes and dies."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
            head, _, body = head.partition(b"\r\n\r\n")
            (length,) = [
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            ]
            while len(body) < length:
                body += connection.recv(65536)
            connection.sendall(content)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        client = boto3.client(
            "rekognition",
            endpoint_url=f"http://127.0.0.1:{listening.getsockname()[1]}",
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=10),
        )
        try:
            return client.index_faces(CollectionId="staff", Image={"Bytes": b"x"})
        finally:
            thread.join()


@pytest.mark.parametrize(
    "content", [HEAD[:40], HEAD, HEAD + BODY[:30]], ids=["in-the-head", "after-it", "in-the-body"]
)
def test_botocore_takes_a_cut_answer_for_an_empty_one(content: bytes) -> None:
    # If this fails, botocore has learnt to tell: the comment of WholeAnswers is to be mended.
    assert "FaceRecords" not in answered(content)


def test_a_whole_answer_or_none_is_told_apart() -> None:
    assert answered(HEAD + BODY)["FaceRecords"] == []
    with pytest.raises(HTTPClientError):
        answered(b"")


class _Sent:
    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True


def test_head_and_body_leave_in_one_piece() -> None:
    async def answer() -> tuple[list[bytes], list[bytes], list[bytes]]:
        loop = asyncio.get_running_loop()
        one, late, closed = _Sent(), _Sent(), _Sent()
        whole: Any = one
        transport = WholeAnswers(whole, loop)
        transport.write(HEAD)
        transport.write(BODY)
        transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        whole = late
        streaming = WholeAnswers(whole, loop)
        streaming.write(HEAD)
        await asyncio.sleep(0)  # the body comes in another turn: the head does not wait for it
        await asyncio.sleep(0)
        streaming.write(BODY)
        whole = closed
        leaving = WholeAnswers(whole, loop)
        leaving.write(HEAD)
        leaving.close()
        assert closed.closed
        return one.writes, late.writes, closed.writes

    one, late, closed = asyncio.run(answer())
    assert one == [HEAD + BODY, b"HTTP/1.1 100 Continue\r\n\r\n"]
    assert late == [HEAD, BODY]
    assert closed == [HEAD]
