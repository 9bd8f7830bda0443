"""The runbook of the guardrails names every error and every default."""

import re
from pathlib import Path

from rl_assets import errors
from rl_assets.config.guardrails import GuardrailsConfig
from rl_assets.errors import GuardrailTripped

PAGE = Path(__file__).parents[2] / "docs" / "runbooks" / "guardrails.md"
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]*) \|", re.MULTILINE)


def test_every_guardrail_has_a_row_with_its_setting_and_default() -> None:
    rows = {name: (setting, default.strip()) for name, setting, default in ROW.findall(PAGE.read_text())}
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, GuardrailTripped)]
    assert set(rows) == {cls.__name__ for cls in classes} - {"GuardrailTripped"}
    for cls in classes:
        if cls.guardrail in GuardrailsConfig.model_fields:
            setting, default = rows[cls.__name__]
            assert setting == f"`{cls.guardrail}`"
            assert float(default.split()[0]) == getattr(GuardrailsConfig(), cls.guardrail)
