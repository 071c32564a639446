"""Three clients, unmodified: each plays the suite against one server and tells what it saw.

An outcome is `{"answer": {...}}` or `{"error": name, "message": text}`, whatever the language. A
client that this machine lacks says why.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
from botocore import xform_name
from botocore.config import Config

from tests.conformance.steps import ABSENT, Step, at, filled

REGION = "us-east-1"
PAGE = 2
_NODE = 20  # node/package.json
PATIENCE = 120.0  # seconds for a job
NODE = Path(__file__).with_name("node")
Outcome = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where and as whom a client asks, and where the photographs are."""

    url: str
    key: str
    secret: str
    files: Path
    kept: Mapping[str, str]
    """What `${name}` stands for before anything was asked."""


class Client(ABC):
    """Plays steps one after the other."""

    name: str
    takes_all = True
    """False: only the steps marked `every`."""

    @staticmethod
    def missing() -> str | None:
        """Why it cannot be played here; None: it can."""
        return None

    def play(self, steps: Sequence[Step], place: Place) -> list[Outcome]:
        """The outcome of each step. What a step keeps goes into `kept` of its outcome."""
        kept: dict[str, Any] = dict(place.kept)
        outcomes = []
        for step in steps:
            outcome = self._until(step, place, kept)
            answer = outcome.get("answer")
            for name, path in step.keep.items():
                kept[name] = None if answer is None else at(answer, path)
            outcomes.append({**outcome, "kept": dict(kept)})
        return outcomes

    def _until(self, step: Step, place: Place, kept: Mapping[str, Any]) -> Outcome:
        ends = time.monotonic() + PATIENCE
        while True:
            outcome = self.ask(step, filled(dict(step.parameters), kept), place)
            told = outcome.get("answer", {})
            done = all(at(told, path) == value for path, value in (step.until or {}).items())
            if done or "error" in outcome or time.monotonic() > ends:
                return outcome
            time.sleep(0.2)

    @abstractmethod
    def ask(self, step: Step, parameters: dict[str, Any], place: Place) -> Outcome:
        """One step, its parameters filled in."""


def _in_pages(step: Step, ask: Any, parameters: dict[str, Any]) -> Outcome:
    """All pages by hand, where the client has no paginator for the operation."""
    gathered: list[Any] = []
    more: dict[str, Any] = {"MaxResults": PAGE}
    while True:
        outcome: Outcome = ask(parameters | more)
        if "error" in outcome:
            return outcome
        gathered += outcome["answer"].get(step.pages, [])
        token = outcome["answer"].get("NextToken")
        if token is None:
            return {"answer": {step.pages: gathered}}
        more = {"MaxResults": PAGE, "NextToken": token}


class Boto3(Client):
    """boto3, in this process."""

    name = "boto3"

    def ask(self, step: Step, parameters: dict[str, Any], place: Place) -> Outcome:
        """See `Client`."""
        own = step.credentials or {}
        client: Any = boto3.client(
            "rekognition",
            endpoint_url=place.url,
            region_name=REGION,
            aws_access_key_id=own.get("key", place.key),
            aws_secret_access_key=own.get("secret", place.secret),
            config=Config(retries={"total_max_attempts": 1}),
        )
        method = xform_name(step.operation)

        def call(members: dict[str, Any]) -> Outcome:
            try:
                answer = getattr(client, method)(**_with_bytes(members, place.files))
            except botocore.exceptions.ClientError as error:
                return {"error": type(error).__name__, **_told(error)}
            return {"answer": _plain(answer)}

        try:
            if step.pages is None:
                return call(parameters)
            if not client.can_paginate(method):
                return _in_pages(step, call, parameters)
            pages = client.get_paginator(method).paginate(
                **parameters, PaginationConfig={"PageSize": PAGE}
            )
            return {"answer": _plain(pages.build_full_result())}
        finally:
            client.close()


def _told(error: botocore.exceptions.ClientError) -> dict[str, str]:
    # An exception that is in the operation's model has a class of its own; others have the code.
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
    name = type(error).__name__
    return {"error": code if name == "ClientError" else name, "message": message}


def _with_bytes(value: Any, files: Path) -> Any:
    if isinstance(value, dict):
        if "$file" in value:
            return (files / value["$file"]).read_bytes()
        return {name: _with_bytes(each, files) for name, each in value.items()}
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if name != "ResponseMetadata"}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value


class AwsCli(Client):
    """The AWS CLI: one process for each call."""

    name = "aws-cli"
    takes_all = False
    _aws = Path(sys.executable).with_name("aws")
    _said = re.compile(r"An error occurred \((\w+)\) when calling the \w+ operation: (.*)", re.S)

    @staticmethod
    def missing() -> str | None:
        """See `Client`."""
        return None if AwsCli._aws.exists() else "the AWS CLI (pip's awscli) is not installed"

    def ask(self, step: Step, parameters: dict[str, Any], place: Place) -> Outcome:
        """See `Client`."""

        def call(members: dict[str, Any]) -> Outcome:
            return self._run(step, members, place, ["--no-paginate"])

        if step.pages is None:
            return call(parameters)
        if step.operation.startswith("List"):  # botocore's paginators, which the CLI has
            return self._run(step, parameters, place, ["--page-size", str(PAGE)])
        return _in_pages(step, call, parameters)

    def _run(
        self, step: Step, parameters: dict[str, Any], place: Place, more: list[str]
    ) -> Outcome:
        members, images = {}, []
        for name, value in parameters.items():
            if isinstance(value, dict) and "Bytes" in value:
                path = place.files / value["Bytes"]["$file"]
                images += [f"--{xform_name(name, '-')}-bytes", f"fileb://{path}"]
            else:
                members[name] = value
        own = step.credentials or {}
        done = subprocess.run(
            [
                str(self._aws),
                "rekognition",
                xform_name(step.operation, "-"),
                *images,
                *(["--cli-input-json", json.dumps(members)] if members else []),
                *more,
                *("--endpoint-url", place.url, "--region", REGION, "--output", "json"),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=place.files,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(place.files),
                "AWS_ACCESS_KEY_ID": own.get("key", place.key),
                "AWS_SECRET_ACCESS_KEY": own.get("secret", place.secret),
                "AWS_MAX_ATTEMPTS": "1",
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_PAGER": "",
            },
        )
        said = self._said.search(done.stderr)
        if said is not None:
            return {"error": said[1], "message": said[2].strip()}
        assert done.returncode == 0, done.stderr
        return {"answer": json.loads(done.stdout or "{}")}


class NodeSdk(Client):
    """`@aws-sdk/client-rekognition`: one process of Node's for the whole suite."""

    name = "node"

    @staticmethod
    @functools.cache
    def missing() -> str | None:
        """See `Client`."""
        if shutil.which("node") is None:
            return "Node is not installed"
        told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
        if int(told.stdout.lstrip("v").partition(".")[0]) < _NODE:
            return f"Node is older than {_NODE}, which the client asks for"
        if not (NODE / "node_modules").is_dir():
            return "run: make node (npm ci in tests/conformance/node)"
        return None

    def play(self, steps: Sequence[Step], place: Place) -> list[Outcome]:
        """See `Client`."""
        asked = {
            "endpoint": place.url,
            "region": REGION,
            "key": place.key,
            "secret": place.secret,
            "files": str(place.files),
            "kept": dict(place.kept),
            "page": PAGE,
            "patience": PATIENCE,
            "steps": [step.document for step in steps],
        }
        done = subprocess.run(
            ["node", "play.mjs"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            cwd=NODE,
            env={"PATH": os.environ["PATH"], "HOME": str(place.files)},
        )
        assert done.returncode == 0, done.stderr
        outcomes: list[Outcome] = json.loads(done.stdout)
        return outcomes

    def ask(self, step: Step, parameters: dict[str, Any], place: Place) -> Outcome:
        """The whole suite is played at once."""
        raise NotImplementedError


CLIENTS: tuple[type[Client], ...] = (Boto3, AwsCli, NodeSdk)
__all__ = ["ABSENT", "CLIENTS", "Client", "Outcome", "Place"]
