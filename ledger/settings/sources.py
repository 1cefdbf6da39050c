"""Where settings come from: command line over environment over TOML file over defaults.

Every refusal names the setting, its value and origin, and what is allowed; the value of a name that
is no setting is never repeated, since nobody knows what it holds.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource

from ledger.errors import SettingsError
from ledger.settings.model import PREFIX, SQLITE, Settings, shown, sqlite_file
from ledger.settings.paths import expanded

CONFIG: Final = "LEDGER_CONFIG"
CONFIG_NAME: Final = "ledger.toml"
_PATHS: Final = {"data_dir", "key_dir", "export_dir", "policy", "webhooks", "metrics"}
_PATHS_OR_ADDRESSES: Final = {"artifacts", "mirror"}
VARIABLES: Final = (CONFIG, *(PREFIX + name.upper() for name in Settings.model_fields))


@dataclass(frozen=True, kw_only=True)
class SettingDoc:
    """What is said of one setting: its variable, default as text, what is allowed, what it does."""

    variable: str
    default: str
    allowed: str
    doc: str


def describe_settings() -> tuple[SettingDoc, ...]:
    """Return the documentation of every setting, in the order in which they are best read."""
    config = SettingDoc(
        variable=CONFIG,
        default=f"<data_dir>/{CONFIG_NAME}, where it exists",
        allowed="a file's path",
        doc="The TOML file with settings; a key is a setting's name in small letters, without"
        f" {PREFIX}. The environment goes before the file.",
    )
    return config, *(
        SettingDoc(
            variable=PREFIX + name.upper(),
            default=_extra(name, "default"),
            allowed=_extra(name, "allowed"),
            doc=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    )


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - the model checks each
    """Return the settings of this process; ``overrides`` (command line options) go first.

    An override that is None counts as not given.

    Raises SettingsError with a line for each wrong setting: name, masked value, what is allowed.
    """
    problems = [_unknown(name, VARIABLES) for name in sorted(os.environ) if _is_stranger(name)]
    given = {name: value for name, value in overrides.items() if value is not None}
    environment = EnvSettingsSource(Settings, case_sensitive=False, env_prefix=PREFIX)()
    file = _config_file({**environment, **given})
    from_file = _read(file, problems) if file else {}
    values = {**from_file, **environment, **given}
    origins = {
        **dict.fromkeys(from_file, f"in {file}"),
        **dict.fromkeys(environment, "in the environment"),
        **dict.fromkeys(given, "on the command line"),
    }
    try:
        settings = Settings(**values)
    except ValidationError as error:
        details = error.errors(include_url=False)
        lines = (_refused(each, values, origins) for each in details)
        problems += dict.fromkeys(filter(None, lines))  # a choice of types is refused type by type
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _is_stranger(name: str) -> bool:
    return name.upper().startswith(PREFIX) and name not in VARIABLES


def _unknown(name: str, known: Iterable[str], where: str = "in the environment") -> str:
    plain = {other.removeprefix(PREFIX).lower(): other for other in known}
    near = difflib.get_close_matches(name.upper().removeprefix(PREFIX).lower(), plain, n=1)
    hint = f"did you mean {plain[near[0]]}?" if near else "`ledger settings` lists what there is"
    return f"{name} ({where}) is not a setting; {hint}"


def _config_file(above: Mapping[str, Any]) -> Path | None:
    """Return the TOML file to read, if any; ``above`` are the values that go before it."""
    named = os.environ.get(CONFIG)
    folder = above.get("data_dir") or Settings.model_fields["data_dir"].default
    try:
        file = expanded(Path(folder) / CONFIG_NAME if named is None else named).absolute()
    except ValueError as error:
        name, value = (CONFIG, named) if named is not None else (f"{PREFIX}DATA_DIR", folder)
        raise SettingsError(f"{name} is {str(value)!r}: {error}") from None
    if named is None:
        return file if file.exists() else None
    if not named or not file.is_file():
        raise SettingsError(f"{CONFIG} is {named!r}; allowed: the path of a TOML file that exists")
    return file


def _read(file: Path, problems: list[str]) -> dict[str, Any]:
    """Return the file's settings, paths absolute; add what is unknown to ``problems``."""
    try:
        table = tomllib.loads(file.read_bytes().decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(f"{file} cannot be read as TOML: {reason}") from None
    names = Settings.model_fields
    problems += [_unknown(key, names, f"in {file}") for key in table if key not in names]
    if "data_dir" in table and CONFIG not in os.environ:
        problems.append(
            f"data_dir (in {file}) cannot move the folder that this file was found in:"
            f" set {PREFIX}DATA_DIR, or name the file with {CONFIG}"
        )
    return {key: _seen_from(file.parent, key, table[key]) for key in table if key in names}


def _seen_from(folder: Path, name: str, value: object) -> object:
    if not isinstance(value, str) or not value:
        return value
    if name in _PATHS or (name in _PATHS_OR_ADDRESSES and "://" not in value):
        try:
            return str(folder / expanded(value))
        except ValueError:
            return value  # the setting itself says what is wrong with it
    sqlite = sqlite_file(value) if name == "database_url" else None
    return f"{SQLITE}{folder / sqlite}" if sqlite and sqlite.name != ":memory:" else value


def _refused(
    detail: ErrorDetails, values: Mapping[str, Any], origins: Mapping[str, str]
) -> str | None:
    """Return the line about one refused value; None for what only follows from another."""
    name = str(detail["loc"][0])
    if detail["type"] == "default_factory_not_called":
        return None
    if name not in Settings.model_fields:
        return _unknown(name, Settings.model_fields, origins[name])
    reason = f" ({detail['ctx']['error']})" if detail["type"] == "value_error" else ""
    value = repr(shown(name, values[name])) if name in values else _extra(name, "default")
    return (
        f"{PREFIX}{name.upper()} is {value} {origins.get(name, 'by default')}{reason};"
        f" allowed: {_extra(name, 'allowed')}"
    )


def _extra(name: str, key: str) -> str:
    extra = Settings.model_fields[name].json_schema_extra
    return str(extra[key]) if isinstance(extra, dict) else ""
