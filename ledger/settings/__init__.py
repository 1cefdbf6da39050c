"""What an operator can set: environment over a TOML file over defaults.

Every setting is a variable ``LEDGER_<NAME>``; the same name in small letters is its key in the TOML
file. The file is the one that LEDGER_CONFIG names, or else ``ledger.toml`` in the data folder where
that exists. A relative path counts from the working folder in the environment, and from the file's
own folder in the file.

Keys and other secrets are never settings (they are files in ``key_dir``); the one value that can
hold a password, ``database_url``, is masked wherever settings are shown. This room reads the
environment and that one file; it makes no folder and opens no database.
"""

from ledger.settings.model import Settings, mask_password
from ledger.settings.sources import SettingDoc, describe_settings, load_settings

__all__ = ["SettingDoc", "Settings", "describe_settings", "load_settings", "mask_password"]
