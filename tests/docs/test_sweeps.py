"""The tables of docs/sweeps.md are those of the models."""

import pytest

from rl_assets.config.fields import TITLES
from tests.docs.field_tables import PAGE, render_table, tables_in

TABLES = tables_in(PAGE.read_text())


def test_every_model_has_its_table() -> None:
    assert sorted(TABLES) == sorted(model.__name__ for model in TITLES)


@pytest.mark.parametrize("model", TITLES)
def test_a_table_is_what_the_model_says(model) -> None:
    assert TABLES[model.__name__] == render_table(model), (
        "write the tables anew: PYTHONPATH=. .venv/bin/python tests/docs/field_tables.py"
    )


@pytest.mark.parametrize("model", TITLES)
def test_every_field_has_a_sentence(model) -> None:
    assert [name for name, field in model.model_fields.items() if not (field.description or "").endswith(".")] == []
