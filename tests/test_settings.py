"""Settings: what wins, what is refused and in which words, and that no password is ever shown."""

from pathlib import Path

import pytest

from ledger.errors import SettingsError
from ledger.settings import Settings, describe_settings, load_settings, mask_password

POSTGRESQL = "postgresql://ledger:geheim@db.example:5432/ledger"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(**overrides: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(**overrides)
    return str(caught.value)


def test_without_anything_set_the_ledger_lives_in_one_folder_below_the_working_folder(
    folder: Path,
) -> None:
    settings = load_settings()
    assert settings.data_dir == folder / "ledger-data"
    assert settings.key_dir == folder / "ledger-data" / "keys"
    assert settings.database_url == f"sqlite:///{folder}/ledger-data/ledger.db"
    assert settings.sqlite_file == folder / "ledger-data" / "ledger.db"
    assert settings.public_url == "http://127.0.0.1:8000"
    assert (settings.queue_records, settings.queue_bytes) == (20_000, 67_108_864)
    assert settings.runs_inline_worker
    assert not settings.data_dir.exists()


def test_the_command_line_wins_over_the_environment_over_the_file_over_the_defaults(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_DATA_DIR", "store")
    folder.joinpath("store").mkdir()
    folder.joinpath("store", "ledger.toml").write_text(
        'port = 1001\nhost = "::1"\nlog_level = "debug"\n', "utf-8"
    )
    monkeypatch.setenv("LEDGER_PORT", "1002")
    monkeypatch.setenv("LEDGER_HOST", "localhost")
    settings = load_settings(port=1003, host=None)
    assert settings.port == 1003
    assert settings.host == "localhost"
    assert settings.log_level == "debug"
    assert settings.sweep_seconds == 60


def test_paths_in_a_named_file_count_from_the_file_and_in_the_environment_from_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etc = folder / "etc"
    etc.mkdir()
    etc.joinpath("site.toml").write_text(
        'data_dir = "data"\ndatabase_url = "sqlite:///data/log.db"\nexport_dir = "bulk"\n'
        'artifacts = "out"\nmirror = "https://copy.example/"\n',
        "utf-8",
    )
    monkeypatch.setenv("LEDGER_CONFIG", "etc/site.toml")
    monkeypatch.setenv("LEDGER_KEY_DIR", "secret")
    settings = load_settings()
    assert settings.data_dir == etc / "data"
    assert settings.sqlite_file == etc / "data" / "log.db"
    assert settings.key_dir == folder / "secret"
    assert settings.export_dir == etc / "bulk"
    assert (settings.artifacts, settings.mirror) == (str(etc / "out"), "https://copy.example/")


@pytest.mark.parametrize(
    "name", ["CONFIG", "DATA_DIR", "KEY_DIR", "EXPORT_DIR", "POLICY", "WEBHOOKS", "METRICS",
             "ARTIFACTS", "MIRROR"],
)  # fmt: skip
def test_a_home_folder_that_nobody_has_is_named_with_its_setting(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"LEDGER_{name}", "~nobody-has-this-name/x")
    assert f"LEDGER_{name} is '~nobody-has-this-name/x'" in refusal()
    assert "no home folder" in refusal()


def test_a_home_folder_that_nobody_has_is_named_in_a_file_too(folder: Path) -> None:
    folder.joinpath("ledger-data").mkdir()
    file = folder / "ledger-data" / "ledger.toml"
    file.write_text('mirror = "~nobody-has-this-name/x"\n', "utf-8")
    assert f"LEDGER_MIRROR is '~nobody-has-this-name/x' in {file}" in refusal()


def test_the_file_in_the_data_folder_cannot_move_that_folder(folder: Path) -> None:
    folder.joinpath("ledger-data").mkdir()
    folder.joinpath("ledger-data", "ledger.toml").write_text('data_dir = "other"\n', "utf-8")
    assert "LEDGER_DATA_DIR" in refusal()
    assert "LEDGER_CONFIG" in refusal()


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("LEDGER_PORT", "0", "1 to 65535"),
        ("LEDGER_PORT", "http", "1 to 65535"),
        ("LEDGER_PORT", "", "1 to 65535"),
        ("LEDGER_HOST", "http://here", "a host name or an address"),
        ("LEDGER_HOST", "", "a host name or an address"),
        ("LEDGER_DATA_DIR", "", "a folder's path"),
        ("LEDGER_KEY_DIR", "", "a folder's path"),
        ("LEDGER_DATABASE_URL", "", "postgresql://"),
        ("LEDGER_DATABASE_URL", "mysql://host/db", "postgresql://"),
        ("LEDGER_DATABASE_URL", "postgres://host/db", "postgresql://"),
        ("LEDGER_DATABASE_URL", "sqlite://", "sqlite:///"),
        ("LEDGER_DATABASE_URL", "sqlite:///", "sqlite:///"),
        ("LEDGER_DATABASE_URL", "sqlite:///:memory:", "sqlite:///"),
        ("LEDGER_DATABASE_URL", "sqlite:///a.db?mode=ro", "sqlite:///"),
        ("LEDGER_DATABASE_URL", "postgresql://host", "database"),
        ("LEDGER_DATABASE_URL", "postgresql:///db", "host"),
        ("LEDGER_DATABASE_URL", "postgresql://host:99999/db", "[:port]"),
        ("LEDGER_PUBLIC_URL", "ledger.example", "http:// or https://"),
        ("LEDGER_PUBLIC_URL", "https://ledger.example/", "final slash"),
        ("LEDGER_PUBLIC_URL", "https://ledger.example?q=1", "query"),
        ("LEDGER_PUBLIC_URL", "ftp://ledger.example", "http:// or https://"),
        ("LEDGER_PROCESSES", "2", "1 on SQLite"),
        ("LEDGER_INLINE_WORKER", "false", "not false on SQLite"),
        ("LEDGER_INLINE_WORKER", "perhaps", "true, false or auto"),
        ("LEDGER_QUEUE_RECORDS", "999", "1000 (one batch)"),
        ("LEDGER_QUEUE_BYTES", "1", "33554432 (one batch)"),
        ("LEDGER_SWEEP_SECONDS", "61", "1 to 60"),
        ("LEDGER_LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("LEDGER_CONFIG", "nowhere.toml", "a TOML file that exists"),
        ("LEDGER_CONFIG", "", "a TOML file that exists"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_itself_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(variable, value)
    said = refusal()
    assert said.startswith(f"{variable} is {value!r}")
    assert allowed in said
    assert "\n" not in said


def test_all_wrong_settings_are_named_at_once_with_where_they_come_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.joinpath("ledger-data").mkdir()
    file = folder / "ledger-data" / "ledger.toml"
    file.write_text("port = true\n", "utf-8")
    monkeypatch.setenv("LEDGER_SWEEP_SECONDS", "61")
    lines = refusal(processes=99).split("\n")
    assert len(lines) == 3
    assert f"LEDGER_PORT is 'True' in {file}" in lines[0]
    assert "LEDGER_PROCESSES is '99' on the command line" in lines[1]
    assert "LEDGER_SWEEP_SECONDS is '61' in the environment" in lines[2]


def test_what_only_follows_from_a_wrong_setting_is_not_named_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEDGER_DATA_DIR", "")
    assert "\n" not in refusal()


@pytest.mark.parametrize("name", ["LEDGER_PROT", "LEDGER_port", "ledger_port"])
def test_an_unknown_variable_is_refused_with_the_nearest_name_and_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "4711")
    assert f"{name} (in the environment) is not a setting; did you mean LEDGER_PORT?" in refusal()
    assert "4711" not in refusal()


def test_an_unknown_variable_near_to_nothing_points_to_the_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEDGER_ZZZZ", "1")
    assert refusal().endswith("is not a setting; `ledger settings` lists what there is")


@pytest.mark.parametrize("key", ["databse_url", "LEDGER_DATABASE_URL"])
def test_an_unknown_key_in_the_file_is_refused_with_the_nearest_name_and_without_its_value(
    folder: Path, key: str
) -> None:
    folder.joinpath("ledger-data").mkdir()
    folder.joinpath("ledger-data", "ledger.toml").write_text(f'{key} = "{POSTGRESQL}"\n', "utf-8")
    assert "did you mean database_url?" in refusal()
    assert "geheim" not in refusal()


def test_an_unknown_command_line_setting_is_refused() -> None:
    assert "did you mean port?" in refusal(prot=1)


@pytest.mark.parametrize("content", [b"port = ", b"\xff", b"[port]\nn = 1\n"])
def test_a_file_that_is_no_table_of_settings_is_refused_with_its_path(
    folder: Path, content: bytes
) -> None:
    folder.joinpath("ledger-data").mkdir()
    folder.joinpath("ledger-data", "ledger.toml").write_bytes(content)
    assert str(folder / "ledger-data" / "ledger.toml") in refusal()


@pytest.mark.parametrize(
    "url",
    [
        POSTGRESQL,
        "postgresql://ledger:geheim@h1,h2/db",
        "postgresql://:geheim@host/db",
        "postgresql://host/db?user=ledger&password=geheim",
        "postgresql://host/db?sslpassword=geheim",
        "postgresql://ledger:ge/geheim@host/db",
        "postgresql://ledger:geheim/heim@host:5432/db",
        "postgresql://ledger:heim@geheim@host/db",
        "postgresql://ledger:ge:geheim@host:x/db",
        "postgresql://ledger:[geheim@host/db",
        "postgresql://ledger:geheim\u2100@host/db",
        "postgres://ledger:geheim@host/db",
        "postgresql:/ledger:geheim@host/db",
        "ledger:geheim@host/db",
    ],
)
def test_no_output_ever_holds_the_password_of_the_database(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("LEDGER_DATABASE_URL", url)
    try:
        settings = load_settings()
    except SettingsError as error:
        said = f"{error!r} {error}"
    else:
        assert settings.database_url == url
        said = f"{settings!r} {settings} {settings.shown()}"
    assert "LEDGER_DATABASE_URL" in said
    assert "geheim" not in said
    assert "***" in said


def test_masking_leaves_everything_but_the_password() -> None:
    assert mask_password(POSTGRESQL) == "postgresql://ledger:***@db.example:5432/ledger"
    for plain in ("sqlite:////srv/ledger.db", "postgresql://db:5432/l", "postgresql://me@db/l"):
        assert mask_password(plain) == plain


def test_postgresql_takes_many_processes_and_leaves_the_worker_to_its_own_process() -> None:
    settings = load_settings(database_url=POSTGRESQL, processes=8)
    assert settings.processes == 8
    assert settings.sqlite_file is None
    assert not settings.runs_inline_worker
    assert load_settings(database_url=POSTGRESQL, inline_worker=True).runs_inline_worker
    assert not load_settings(database_url=POSTGRESQL, inline_worker=False).runs_inline_worker


def test_a_postgresql_url_may_name_a_socket_folder(postgresql_url: str) -> None:
    assert load_settings(database_url=postgresql_url).database_url == postgresql_url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://localhost:80"),
        ("::", "http://localhost:80"),
        ("::1", "http://[::1]:80"),
        ("ledger.example", "http://ledger.example:80"),
    ],
)
def test_the_public_address_follows_from_host_and_port_unless_set(host: str, url: str) -> None:
    assert load_settings(host=host, port=80).public_url == url
    assert load_settings(host=host, public_url="https://a.example/x").public_url.endswith("/x")


@pytest.mark.parametrize("contact", ["log@ledger.example", "mailto:a b", "https://x\nEvil: 1"])
def test_a_contact_that_is_no_address_is_refused(contact: str) -> None:
    assert "LEDGER_CONTACT" in refusal(contact=contact)
    assert load_settings(contact="mailto:log@ledger.example").contact == "mailto:log@ledger.example"


def test_the_log_level_may_be_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_LOG_LEVEL", "WARNING")
    assert load_settings().log_level == "warning"


def test_settings_made_directly_look_at_no_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_PORT", "1002")
    assert Settings(data_dir=folder).port == 8000


def test_every_setting_says_what_it_does_what_it_may_be_and_its_default() -> None:
    documented = describe_settings()
    assert {each.variable for each in documented} == {"LEDGER_CONFIG", *load_settings().shown()}
    for each in documented:
        assert each.doc.endswith(".")
        assert each.allowed
        assert each.default
