import importlib.util
import sys
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def rliable() -> SimpleNamespace:
    """The reference implementation: its `library` and its `metrics`.

    It needs `arch.bootstrap` alone, but the front page of arch 7 also imports models that do not load beside pandas 3.
    So the package is entered without its front page.
    """
    if "arch" not in sys.modules:
        spec = importlib.util.find_spec("arch")
        assert spec is not None
        sys.modules["arch"] = importlib.util.module_from_spec(spec)
    from rliable import library, metrics

    return SimpleNamespace(library=library, metrics=metrics)
