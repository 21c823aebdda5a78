"""Configurations written into a folder, and what loading them says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from krakked.domain.errors import BadInput
from krakked.runtime.settings import Environment, Loaded, load_settings


class Configuration:
    """A folder of configuration files, and variables and flags beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ: dict[str, str] = {}
        self.flags: dict[str, object] = {}

    def write(self, text: str, name: str = "config.yaml") -> Configuration:
        (self.folder / name).write_text(text)
        return self

    def load(self, environment: Environment = Environment.DEV) -> Loaded:
        return load_settings(
            environment, config_dir=self.folder, overrides=self.flags, environ=self.environ
        )

    def refusal(self, environment: Environment = Environment.DEV) -> list[str]:
        """The lines of the refusal, the folder left out."""
        with pytest.raises(BadInput) as caught:
            self.load(environment)
        assert caught.value.exit_code == 78
        return str(caught.value).replace(f"{self.folder}/", "").splitlines()


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return Configuration(tmp_path)


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Loaded]:
    """Load one file's text, with variables and flags."""

    def loader(
        text: str = "",
        *,
        environment: Environment = Environment.DEV,
        environ: Mapping[str, str] | None = None,
        flags: Mapping[str, object] | None = None,
    ) -> Loaded:
        (tmp_path / "config.yaml").write_text(text)
        return load_settings(
            environment, config_dir=tmp_path, overrides=flags or {}, environ=environ or {}
        )

    return loader
