"""Where a secret comes from: a file, the environment, or (with a warning) the YAML itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from media import ConfigError
from media.config.checks import Matching, PathText

EnvironmentName = Annotated[
    str, Matching(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable, as SIP_PASSWORD")
]


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and where its password is."""

    username: str
    password_file: PathText | None = None
    """File whose first line is the password; give it mode 0600."""
    password_env: EnvironmentName | None = None
    """Environment variable that holds the password."""
    password: str | None = None
    """The password itself; works, with a warning: the YAML is read by more eyes than a file is."""

    def read_password(self) -> str:
        """Return the password, read now, so that a reload sees a changed file.

        Raises:
            ConfigError: the file cannot be read, the variable is not set, or either is empty.
        """
        if self.password is not None:
            return self.password
        if self.password_env is not None:
            value = os.environ.get(self.password_env, "")
            if not value:
                raise ConfigError([f"environment variable {self.password_env} is not set"])
            return value
        if self.password_file is None:
            raise ConfigError([f'no password is given for user "{self.username}"'])
        try:
            with Path(self.password_file).open(encoding="utf-8") as file:
                line = file.readline(4096).rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError([f"{self.password_file}: cannot be read: {error}"]) from error
        if not line:
            raise ConfigError([f"{self.password_file}: the first line is empty"])
        return line
