from pathlib import Path

from rl_assets.config.roles import RolesConfig, read_roles


def test_a_file_names_who_holds_a_role(tmp_path: Path):
    file = tmp_path / "roles.yaml"
    assert read_roles(file) is None
    file.write_text("promoter: [alice]\n")
    roles = read_roles(file)
    assert roles == RolesConfig(promoter=("alice",))
    assert roles is not None
    assert roles.holders("promoter") == ("alice",)
