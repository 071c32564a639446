"""What an operator may set: the file `rightface.toml` of the data directory, then the environment.

Every setting can be overridden by `RIGHTFACE_<NAME>`. Knows nothing of the rooms above it.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from rightface.errors import SettingsError

FILE = "rightface.toml"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one instance. Frozen: a change needs a restart."""

    data: Path
    """The data directory: keys, database, ledger tiles, model cache."""
    jurisdiction: str = "US"
    """Where the instance and its galleries are, for example `US-CA-SF`."""
    sector: str = "private-entity"
    """What the operator is: an actor of the law's vocabulary."""
    origin: str = "rightface.example"
    """The ledger's name, the first line of every checkpoint (C2SP tlog-checkpoint)."""
    database: str = ""
    """SQLAlchemy URL; empty: SQLite in the data directory."""
    detector_side: int = 640
    """Longest side, in pixels, at which faces are looked for."""
    threads: int = 0
    """Threads for inference; 0: one per core this process may use."""
    comparison: str = "equalised"
    """How templates are compared: `equalised`, or `raw`; see docs/equalise.md. Of an instance whose
    file does not say: `raw`."""
    keep_crops: bool = False
    """Keep an encrypted 150-pixel crop of each enrolled face (for review and re-embedding)."""
    review_hours: int = 72
    """How long reviewers have to decide on a sealed search; then its outcome is `timeout`."""
    instruments: str = ""
    """A directory of the operator's own instruments; empty: none. Relative: to `data`."""
    object_store: str = ""
    """Where `S3Object`s lie: a directory (relative: to `data`) or a URL such as `s3://`; empty:
    `objects` in the data directory, if it exists."""
    shared_buckets: str = ""
    """Buckets that clients may read beside the one of their own name, separated by commas:
    `BUCKET` for all of them, `CLIENT=BUCKET` for one."""
    job_days: int = 7
    """How long the result of a job on a stored video is kept."""
    jobs_per_client: int = 20
    """Jobs that one client may have waiting or under way."""
    video_minutes: int = 60
    """Longest stored video that is read."""
    video_megabytes: int = 2048
    """Largest stored video that is read, in MiB."""
    video_rate: int = 5
    """Frames a second of a stored video that are looked at."""
    suppress_deletions: bool = True
    """Whether a person whom a client deletes from a gallery (DeleteFaces, DeleteCollection,
    DeleteUser) is enrolled there again only on a consent given since."""
    licence_grace_days: int = 30
    """Days after a client's last licence has ended, until its galleries are erased."""
    migrate_without_backup: bool = False
    """Whether a newer schema may come where no copy of the database can be made before."""
    traces: str = ""
    """Where OpenTelemetry traces go: an OTLP endpoint over HTTP; empty: nowhere."""
    fpir_target: float = 0.0
    """The share of searches of people who are not enrolled that may find somebody, in any gallery:
    thresholds follow the galleries' sizes, for the worst measured cohort. 0: no such target. A
    gallery may have a stricter one."""
    strict_law: bool = False
    """Whether to refuse wherever the answer rests on a rule that was not read at its source."""

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL that applies."""
        return self.database or f"sqlite:///{self.sqlite_file}"

    @property
    def sqlite_file(self) -> Path:
        """Where the embedded database lies, if that is used."""
        return self.data / "rightface.db"

    @property
    def instruments_directory(self) -> Path | None:
        """Where the operator's own instruments lie, if there are any."""
        return self.data / self.instruments if self.instruments else None

    @property
    def keys_directory(self) -> Path:
        """Where the keys lie."""
        return self.data / "keys"

    @property
    def ledger_directory(self) -> Path:
        """Where the ledger's public files are written."""
        return self.data / "ledger"

    @property
    def inference_threads(self) -> int:
        """How many threads inference may use."""
        return self.threads or len(os.sched_getaffinity(0))

    @classmethod
    def load(cls, data: Path) -> Settings:
        """The settings of the instance in `data`.

        Raises:
            SettingsError: not initialised, or a setting is unknown or of the wrong type.
        """
        path = data / FILE
        try:
            told = tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            raise SettingsError(
                f"'{data}' is not a rightface data directory.",
                why=f"It has no {FILE}.",
                mend="Run: rightface init --data DIR --sector SECTOR --jurisdiction PLACE",
            ) from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{path} cannot be read.", why=str(error)) from error
        for field in fields(cls):
            from_environment = os.environ.get(f"RIGHTFACE_{field.name.upper()}")
            if field.name != "data" and from_environment is not None:
                told[field.name] = _typed(field.name, from_environment, type(field.default))
        known = {field.name: field for field in fields(cls) if field.name != "data"}
        for name, value in told.items():
            if name not in known:
                raise SettingsError(f"Unknown setting '{name}' in {path}.")
            if type(value) is int and type(known[name].default) is float:
                told[name] = float(value)
            elif type(value) is not type(known[name].default):
                kind = type(known[name].default).__name__
                raise SettingsError(f"The setting '{name}' in {path} must be of type {kind}.")
        if told.get("review_hours", 1) < 1:
            raise SettingsError(
                "review_hours must be 1 or more.", why="Nobody could decide in no time."
            )
        if not 0 <= told.get("fpir_target", 0.0) < 1:
            raise SettingsError(
                "fpir_target must lie between 0 and 1.",
                why="It is a share of searches; 0 sets none.",
                mend="For example 0.001.",
            )
        # A file that does not say is of an instance from before there was a choice.
        if told.setdefault("comparison", "raw") not in ("equalised", "raw"):
            raise SettingsError("comparison must be 'equalised' or 'raw'.")
        return cls(data=data, **told)

    def write(self) -> None:
        """Write the settings that differ from the defaults, and the four that matter most."""
        always = ("jurisdiction", "sector", "origin", "comparison")
        lines = ["# Settings of this rightface instance; see docs/operate.md.\n"]
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "data" and (field.name in always or value != field.default):
                lines.append(f"{field.name} = {_toml(value)}\n")
        path = self.data / FILE
        path.touch(mode=0o600)  # a database's URL may have a password
        path.chmod(0o600)
        path.write_text("".join(lines), "utf-8")


def _typed(name: str, text: str, kind: type) -> str | int | float | bool:
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise SettingsError(f"RIGHTFACE_{name.upper()} must be true or false.")
        return text.lower() == "true"
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise SettingsError(f"RIGHTFACE_{name.upper()} must be a whole number.") from None
    if kind is float:
        try:
            return float(text)
        except ValueError:
            raise SettingsError(f"RIGHTFACE_{name.upper()} must be a number.") from None
    return text


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
