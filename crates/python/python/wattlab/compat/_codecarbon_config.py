"""Settings that no keyword gives: variables `CODECARBON_*`, then `.codecarbon.config` here and at home."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

from wattlab.errors import InputError

FILE = ".codecarbon.config"
SECTION = "codecarbon"
PREFIX = "codecarbon_"


class Settings:
    """What is configured: texts with the place where they stand. A keyword that is not None comes first."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, str]] = {}
        for folder in (Path.home(), Path.cwd()):
            self._read(folder / FILE)
        for name, value in os.environ.items():
            if name.lower().startswith(PREFIX):
                self._found[name.lower()[len(PREFIX) :]] = (value, name)

    def _read(self, path: Path) -> None:
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError) as error:
            raise InputError(f"`{path}` cannot be read: {error}; correct or remove it") from error
        if parser.has_section(SECTION):
            for name, value in parser.items(SECTION):
                self._found[name] = (value, str(path))

    def text(self, name: str, given: str | None, default: str | None = None) -> str | None:
        """A text."""
        return given if given is not None else self._found.get(name, (default, ""))[0]

    def number(self, name: str, given: float | None, default: float | None = None) -> float | None:
        """A number."""
        if given is not None or name not in self._found:
            return default if given is None else given
        text, place = self._found[name]
        try:
            return float(text)
        except ValueError:
            raise InputError(f"`{name}` in {place} is {text!r}; expected a number") from None

    def flag(self, name: str, given: bool | None, default: bool) -> bool:
        """True or false."""
        if given is not None or name not in self._found:
            return default if given is None else given
        text, place = self._found[name]
        if text.lower() not in ("true", "false"):
            raise InputError(f'`{name}` in {place} is {text!r}; expected "true" or "false"')
        return text.lower() == "true"
