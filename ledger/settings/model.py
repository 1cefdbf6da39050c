"""The settings themselves: what each is for, its default, and what it may be.

Pure: it looks at the values that it is given, never at the environment, a file or the clock (the
working folder alone makes a relative path absolute).
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ledger.settings.paths import expanded

PREFIX: Final = "LEDGER_"
SQLITE: Final = "sqlite:///"
POSTGRESQL: Final = "postgresql://"
MASK: Final = "***"


def _setting(
    default: object, *, allowed: str, doc: str, spelt: str | None = None, **limits: int
) -> Any:  # noqa: ANN401 - pydantic's Field is typed so: the field's own annotation decides
    """Return a documented field; a ``default`` that can be called gets the fields before it."""
    extra = {"allowed": allowed, "default": str(default) if spelt is None else spelt}
    given = {"default_factory" if callable(default) else "default": default}
    return Field(**given, **limits, description=doc, json_schema_extra=extra)  # type: ignore[call-overload]


class Settings(BaseSettings):
    """One consistent set of settings, paths absolute; ``load_settings`` is what reads them.

    Made directly, ``Settings(data_dir=...)`` looks at its arguments and the defaults alone.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    data_dir: Path = _setting(
        Path("ledger-data"),
        allowed="a folder's path",
        doc="The folder of everything that this ledger keeps outside PostgreSQL.",
    )
    database_url: str = _setting(
        lambda data: f"{SQLITE}{data['data_dir'] / 'ledger.db'}",
        spelt="sqlite:///<data_dir>/ledger.db",
        allowed="sqlite:///<path of a file> or postgresql://[user[:password]@]host[:port]/database",
        doc="The database. SQLite needs no server and takes one server process, PostgreSQL many.",
    )
    read_database_url: str | None = _setting(
        None,
        spelt="none",
        allowed="postgresql://[user[:password]@]host[:port]/database, beside such a database_url",
        doc="A streaming replica of the database. Pages, feeds and tiles are read from it wherever"
        " it holds the tree that they show, else from the database; so nobody is shown less.",
    )
    key_dir: Path = _setting(
        lambda data: data["data_dir"] / "keys",
        spelt="<data_dir>/keys",
        allowed="a folder's path",
        doc="The folder of the log's signing key, what it signed last, and the openings' key.",
    )
    host: str = _setting(
        "127.0.0.1",
        allowed="a host name or an address, without port",
        doc="The address that the server listens on; 0.0.0.0 or :: for all.",
    )
    port: int = _setting(
        8000, ge=1, le=65535, allowed="1 to 65535", doc="The TCP port that the server listens on."
    )
    public_url: str = _setting(
        lambda data: _local_url(data["host"], data["port"]),
        spelt="http://<host>:<port>",
        allowed="an http:// or https:// address without query, fragment, user name or final slash",
        doc="The address under which the public reaches the site, as links and feeds give it.",
    )
    contact: str | None = _setting(
        None,
        spelt="none",
        allowed="a mailto: or https:// address in ASCII",
        doc="Where to report a weakness: stands in /.well-known/security.txt before the page"
        " that says whom to tell.",
    )
    websub_hub: str | None = _setting(
        None,
        spelt="none",
        allowed="an http:// or https:// address in ASCII",
        doc="A WebSub hub: feeds name it, and it is told when there is something new in them.",
    )
    webhooks: Path | None = _setting(
        None,
        spelt="none",
        allowed="a file's path",
        doc="A TOML file of [[webhook]] tables (name, url, secret_file, events, and for a search of"
        " jobs [webhook.search]): who is sent a signed message of what is new in the log. `ledger"
        " webhooks` makes secrets and says how each is getting on.",
    )
    rate_per_minute: int = _setting(
        6_000,
        ge=0,
        le=1_000_000,
        allowed="0 to 1000000; 0 for no limit",
        doc="How many answers each server process makes in a minute for one address; above it the"
        " answer is 429. Files, answers at hand and accepted statements are not counted.",
    )
    author_per_minute: int = _setting(
        lambda data: 10 * data["rate_per_minute"],
        spelt="10 x <rate_per_minute>",
        ge=0,
        le=10_000_000,
        allowed="0 to 10000000; 0 for no limit",
        doc="How many statements each server process takes in a minute that one key has signed;"
        " above it the answer is 429.",
    )
    trusted_proxies: str | None = _setting(
        None,
        spelt="none",
        allowed="addresses and networks with commas between them, as 10.0.0.0/8,::1",
        doc="The proxies in front of this server: what they say in X-Forwarded-For is believed,"
        " and nobody else's.",
    )
    connections: int = _setting(
        1_024,
        ge=64,
        le=65_536,
        allowed="64 to 65536",
        doc="How many connections each server process holds at a time; more wait until one ends.",
    )
    connections_per_address: int = _setting(
        256,
        ge=0,
        le=65_536,
        allowed="0 to 65536; 0 for no limit",
        doc="How many of them one address has, or one /64 of IPv6; above it idle ones are cut"
        " first. A trusted proxy has no such limit. Linux only.",
    )
    processes: int = _setting(
        1,
        ge=1,
        le=64,
        allowed="1 to 64; 1 on SQLite",
        doc="How many server processes run. SQLite has one writer and takes one only.",
    )
    inline_worker: bool | Literal["auto"] = _setting(
        "auto",
        allowed="true, false or auto; not false on SQLite",
        doc="Whether the server runs the embargo worker itself. auto: on SQLite yes; on PostgreSQL"
        " no, there `ledger worker` runs beside it.",
    )
    queue_records: int = _setting(
        20_000,
        ge=1_000,
        le=1_000_000,
        allowed="1000 (one batch) to 1000000",
        doc="How many statements may wait for the log; above it the answer is 503.",
    )
    queue_bytes: int = _setting(
        64 * 1024 * 1024,
        ge=32 * 1024 * 1024,
        le=4 * 1024 * 1024 * 1024,
        allowed="33554432 (one batch) to 4294967296",
        doc="How many bytes of statements may wait for the log; above it the answer is 503.",
    )
    sweep_seconds: int = _setting(
        60,
        ge=1,
        le=60,
        allowed="1 to 60",
        doc="The longest time between two looks for what is due, in seconds.",
    )
    drain_seconds: int = _setting(
        0,
        ge=0,
        le=600,
        allowed="0 to 600",
        doc="How long the server goes on answering after it was told to stop, with 503 at /readyz:"
        " as long as whatever sends requests here may take to look there.",
    )
    stop_seconds: int = _setting(
        30,
        ge=1,
        le=3_600,
        allowed="1 to 3600",
        doc="How long server and worker may take to finish what is under way once they stop. What"
        " is not done by then is killed, as a second SIGTERM kills it at once.",
    )
    export_dir: Path = _setting(
        lambda data: data["data_dir"] / "exports",
        spelt="<data_dir>/exports",
        allowed="a folder's path",
        doc="The folder of the bulk files, which the site serves under /bulk/.",
    )
    artifacts: str = _setting(
        lambda data: str(data["data_dir"] / "artifacts"),
        spelt="<data_dir>/artifacts",
        allowed="a folder's path, or an address like s3://bucket/some/prefix",
        doc="Where artifacts lie, encrypted under the openings' key. For a bucket AWS_ENDPOINT_URL,"
        " AWS_REGION and AWS_ACCESS_KEY_ID say what every S3 client reads from them.",
    )
    export_at: str | None = _setting(
        None,
        spelt="none",
        allowed="a time of day in UTC, as 03:00",
        doc="When the embargo worker makes bulk files of the newest tree, once a day; none: only"
        " `ledger export` makes them.",
    )
    mirror: str | None = _setting(
        None,
        spelt="none",
        allowed="an http:// or https:// address, or a folder's path",
        doc="A mirror of this log. `ledger serve`, `worker` and `publish-due` ask it first, and"
        " refuse to begin where it holds more than the database, or another history.",
    )
    elsewhere_seconds: int = _setting(
        10,
        ge=1,
        le=3_600,
        allowed="1 to 3600",
        doc="How often a running writer looks at the newest checkpoints of the mirror and of the"
        " witnesses. One that this log signed and this database does not hold stops it.",
    )
    require_elsewhere: Annotated[int, Field(ge=0, le=65)] | Literal["auto"] = _setting(
        "auto",
        allowed="0 to 65, or auto",
        doc="How many of the witnesses and the mirror have to answer, before the first signature"
        " of a start, that they hold nothing newer. auto: 1 where there are witnesses, else 0.",
    )
    policy: Path | None = _setting(
        None,
        spelt="none",
        allowed="a file's path",
        doc="A C2SP tlog-policy: the witnesses that cosign this log's checkpoints, with their"
        " addresses, and the quorum that /log/checkpoint waits for.",
    )
    witness_mode: Literal["open", "closed", "strict"] = _setting(
        "open",
        allowed="open, closed or strict",
        doc="What the site shows while the quorum is missing. open: the newest signed tree; closed:"
        " nothing newer than the newest tree that met the policy; strict: the same, and no"
        " statement is answered with a receipt either before its tree has met the policy.",
    )
    witness_wait_seconds: int = _setting(
        10,
        ge=1,
        le=60,
        allowed="1 to 60",
        doc="With LEDGER_WITNESS_MODE=strict: how long a statement waits for the quorum; then the"
        " answer is 503, and the same statement may be sent again.",
    )
    witness_refresh_seconds: int = _setting(
        3_600,
        ge=600,
        le=86_400,
        allowed="600 to 86400",
        doc="How old a witness's cosignature of the newest checkpoint gets before the witness is"
        " asked for a fresh one, so that a quiet log can be told from one that is held back.",
    )
    witness_daily_requests: int = _setting(
        lambda data: 10_000_000 if data["witness_mode"] == "strict" else 8_640,
        spelt="8640; 10000000 where the mode is strict",
        ge=1,
        le=100_000_000,
        allowed="1 to 100000000",
        doc="How many requests each witness gets in any 24 hours at most. Above it checkpoints are"
        " left out: the next one that is sent vouches for them too. Where the mode is strict, every"
        " batch of statements takes one.",
    )
    mldsa: bool = _setting(
        False,
        spelt="false",
        allowed="true or false",
        doc="Whether checkpoints bear a second line, by the ML-DSA-44 key that `ledger keys mldsa`"
        " makes; its public half is then at /log/vkey-mldsa44.",
    )
    metrics: Path | None = _setting(
        None,
        spelt="none",
        allowed="a file's path",
        doc="A file with the token, of 24 characters or more, for which /metrics tells Prometheus"
        " how this ledger is doing; for anybody else, and without it, there is no such address.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info",
        allowed="debug, info, warning or error",
        doc="The least serious line that is logged.",
    )
    log_format: Literal["plain", "json"] = _setting(
        "plain",
        allowed="plain or json",
        doc="How log lines look: plain for people, json for programs, one object a line.",
    )
    log_requests: bool = _setting(
        False,
        spelt="false",
        allowed="true or false",
        doc="Whether each request gets a log line. One that failed here (5xx) always gets it.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments only: ``load_settings`` orders the other sources and names them."""
        return (init_settings,)

    @property
    def sqlite_file(self) -> Path | None:
        """The database file, or None on PostgreSQL."""
        return sqlite_file(self.database_url)

    @property
    def proxy_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of ``trusted_proxies``."""
        listed = self.trusted_proxies.split(",") if self.trusted_proxies else ()
        return tuple(ip_network(each.strip()) for each in listed)

    @property
    def runs_inline_worker(self) -> bool:
        """Whether the server runs the embargo worker, ``auto`` decided."""
        return self.sqlite_file is not None if self.inline_worker == "auto" else self.inline_worker

    def shown(self) -> dict[str, str]:
        """Return every variable's value as it may be printed, passwords masked."""
        return {PREFIX + name.upper(): shown(name, value) for name, value in self}

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return [(name, shown(name, value)) for name, value in self]

    @field_validator("*", mode="before")
    @classmethod
    def _no_empty_value(cls, value: object) -> object:
        # A secret that was mounted empty must not turn into the default database.
        if value == "":
            raise ValueError("it is set to nothing: leave it away for the default")
        return value

    @field_validator(
        "port",
        "rate_per_minute",
        "author_per_minute",
        "connections",
        "connections_per_address",
        "processes",
        "queue_records",
        "queue_bytes",
        "sweep_seconds",
        "drain_seconds",
        "stop_seconds",
        "elsewhere_seconds",
        "require_elsewhere",
        "witness_refresh_seconds",
        "witness_daily_requests",
        "witness_wait_seconds",
        mode="before",
    )
    @classmethod
    def _no_truth_for_a_number(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("it is true or false, not a number")  # noqa: TRY004 - pydantic's way
        return value

    @field_validator("export_at")
    @classmethod
    def _time_of_day(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
            raise ValueError("it is no such time")
        return value

    @field_validator("data_dir", "key_dir", "export_dir", "policy", "webhooks", "metrics")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value and expanded(value).absolute()

    @field_validator("artifacts")
    @classmethod
    def _folder_or_bucket(cls, value: str) -> str:
        if "://" not in value:
            return str(expanded(value).absolute())
        if re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?", value):
            return value
        raise ValueError("it is no such address")

    @field_validator("mirror")
    @classmethod
    def _folder_or_address(cls, value: str | None) -> str | None:
        if value is None or re.fullmatch(r"https?://[!-?A-~]{1,500}", value):
            return value
        if "://" in value:
            raise ValueError("it is no such address")
        return str(expanded(value).absolute())

    @field_validator("database_url")
    @classmethod
    def _one_of_two_engines(cls, value: str) -> str:
        file = sqlite_file(value)
        if file is None:
            _check_postgresql(value)
            return value
        if not file.name or file.name == ":memory:":
            raise ValueError("a ledger in memory would forget what it has promised")
        if "?" in str(file):
            raise ValueError("the file's path may not hold a question mark, nor the URL a query")
        return f"{SQLITE}{file.absolute()}"

    @field_validator("read_database_url")
    @classmethod
    def _replica_of_a_server(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            _check_postgresql(value)
            if sqlite_file(info.data.get("database_url", SQLITE)):
                raise ValueError("SQLite has no replicas: LEDGER_DATABASE_URL names none to have")
        return value

    @field_validator("host")
    @classmethod
    def _bare_host(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", value):
            raise ValueError("it is neither a name nor an address")
        return value

    @field_validator("public_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        parts = _split(value)
        plain = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
        if not plain or re.search(r"[?#\s]|/\Z", value):
            raise ValueError("it is not such an address")
        return value

    @field_validator("contact")
    @classmethod
    def _reachable(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"(mailto:|https://)[!-~]{3,200}", value):
            raise ValueError("it is not such an address")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str | None) -> str | None:
        try:
            for each in value.split(",") if value else ():
                ip_network(each.strip())
        except ValueError:
            raise ValueError("one of them is neither") from None
        return value

    @field_validator("websub_hub")
    @classmethod
    def _hub_address(cls, value: str | None) -> str | None:
        if value is not None:
            parts = _split(value)
            plain = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
            if not plain or not re.fullmatch(r"[!-~]{1,500}", value) or re.search('[#<>"]', value):
                raise ValueError("it is not such an address")
        return value

    @field_validator("processes")
    @classmethod
    def _one_writer_on_sqlite(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and sqlite_file(info.data.get("database_url", "")):
            raise ValueError("SQLite takes one process; for more set LEDGER_DATABASE_URL")
        return value

    @field_validator("inline_worker")
    @classmethod
    def _worker_with_the_writer(cls, value: object, info: ValidationInfo) -> object:
        if value is False and sqlite_file(info.data.get("database_url", "")):
            raise ValueError("on SQLite only the server can write, so the worker runs inside it")
        return value

    @field_validator("log_level", "witness_mode", "require_elsewhere", mode="before")
    @classmethod
    def _small_letters(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value


def mask_password(url: str) -> str:
    """Return ``url`` with every password in it replaced by ``***``; masks rather too much."""
    url = re.sub(r"(?s)^([^:]*://[^:]*):.*@", rf"\1:{MASK}@", url)
    if "://" not in url and "@" in url:
        return MASK
    return re.sub(r"(?i)((?:password|passwd|pwd|sslkey)[^=&]*=)[^&]*", rf"\1{MASK}", url)


def shown(name: str, value: object) -> str:
    """Return a setting's value as it may be printed."""
    return mask_password(str(value)) if name.endswith("_url") else str(value)


def sqlite_file(url: str) -> Path | None:
    """Return the file that a SQLite URL names, None for any other URL."""
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None


def _check_postgresql(url: str) -> None:
    """Refuse what is not a PostgreSQL URL with a database's name; libpq judges the rest."""
    if not url.startswith(POSTGRESQL):
        raise ValueError("it has another scheme")
    parts = _split(url)
    if not parts.path.strip("/"):
        raise ValueError("it names no database")
    if not parts.hostname and "host" not in dict(parse_qsl(parts.query)):
        raise ValueError("it names no host")


def _split(url: str) -> SplitResult:
    """Split a URL whose host and port make sense.

    urllib's own messages are not passed on: they quote parts that may belong to a password.
    """
    try:
        parts = urlsplit(url)
        sound = parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise ValueError("its host or port makes no sense; in a password / and @ are %2F and %40")
    return parts


def _local_url(host: str, port: int) -> str:
    """Return the server's own address; one that listens everywhere is met at localhost."""
    name = "localhost" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
