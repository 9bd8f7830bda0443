"""Sweeps by name: files that are reviewed like code, and sweeps that were submitted."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from rl_assets.config.experiment import read_experiment
from rl_assets.config.keys import check_key
from rl_assets.config.sweep import SweepConfig
from rl_assets.config.yaml import load_yaml
from rl_assets.errors import BadInput, CorruptObject, InvalidConfig, UnknownPartition


class SweepLibrary:
    """Finds the definition of a sweep: a YAML file of the project, else what was submitted under that name."""

    def __init__(self, *, files: Path, submitted: Path) -> None:
        self._files = files
        self._submitted = submitted

    def filed(self) -> tuple[dict[str, SweepConfig], dict[Path, BadInput]]:
        """The sweeps of the project's folder by name, and the files that are wrong with what is wrong."""
        sweeps: dict[str, SweepConfig] = {}
        wrong: dict[Path, BadInput] = {}
        for path in sorted(self._files.glob("*.y*ml")) if self._files.is_dir() else ():
            try:
                sweep = read_sweep_file(path)
                if sweep.name in sweeps:
                    raise InvalidConfig(
                        f"{path}: field 'name': '{sweep.name}' is taken by another file of this folder: rename it"
                    )
                sweeps[sweep.name] = sweep
            except BadInput as error:
                wrong[path] = error
        return sweeps, wrong

    def load(self, name: str) -> SweepConfig:
        """The sweep of this name.

        Raises:
            UnknownPartition: neither a file nor a submission has this name.
            BadInput: a file is wrong.
            CorruptObject: what was submitted is damaged.
        """
        sweeps, wrong = self.filed()
        if name in sweeps:
            return sweeps[name]
        path = self._path(name)
        if path.is_file():
            return SweepConfig.parse(_read_submission(path), source=str(path))
        hints = "".join(f"\n{error}" for error in wrong.values())
        raise UnknownPartition(
            f"no sweep '{name}': expected one of {', '.join(sorted(sweeps)) or '(none)'} in {self._files}, "
            f"or one submitted with `rlctl sweep -f FILE`{hints}"
        )

    def submit(self, sweep: SweepConfig) -> None:
        """Keep a sweep for the graph to read.

        Args:
            sweep: with its dataset named by key, so that no client's name is written.

        Raises:
            InvalidConfig: a file of the project has this name and says something else.
        """
        if not isinstance(sweep.dataset, str):
            raise InvalidConfig(
                f"sweep '{sweep.name}': expected a dataset key before it is kept, got a declaration with a client's "
                "name"
            )
        self._submitted.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._submitted, delete=False, suffix=".partial") as partial:
            partial.write(json.dumps(sweep.model_dump(mode="json"), indent=1, sort_keys=True))
        os.replace(partial.name, self._path(sweep.name))

    def _path(self, name: str) -> Path:
        return self._submitted / f"{check_key(name, kind='sweep')}.json"


def _read_submission(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise CorruptObject(
            f"submitted sweep '{path}' is damaged ({error}): launch it again with `rlctl sweep -f FILE`"
        ) from error


def read_sweep_file(path: Path) -> SweepConfig:
    """Read a YAML file that holds a sweep, or an experiment in the charter's form.

    Raises:
        InvalidConfig: names the field, what was expected and what came.
    """
    return read_sweep(load_yaml(path), source=str(path))


def read_sweep(data: Any, *, source: str) -> SweepConfig:
    """Read a document: one with `env` and `train` is an experiment, everything else is a sweep."""
    is_experiment = isinstance(data, dict) and "env" in data and "envs" not in data
    return read_experiment(data, source=source) if is_experiment else SweepConfig.parse(data, source=source)
