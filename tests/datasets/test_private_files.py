import os
import stat
from pathlib import Path

import pytest

from rl_assets.datasets.private_files import mode_for_others, settings_file, write_private


def test_a_private_file_is_whole_and_its_owners_alone(tmp_path: Path):
    file = tmp_path / "settings" / "key"
    write_private(file, "text", publish=os.link)
    assert file.read_text() == "text"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert list(file.parent.iterdir()) == [file]


def test_what_is_there_is_replaced_only_where_that_was_asked_for(tmp_path: Path):
    file = tmp_path / "key"
    write_private(file, "first", publish=os.link)
    with pytest.raises(FileExistsError):
        write_private(file, "second", publish=os.link)
    assert (file.read_text(), list(tmp_path.iterdir())) == ("first", [file])
    write_private(file, "third", publish=os.replace)
    assert (file.read_text(), list(tmp_path.iterdir())) == ("third", [file])


@pytest.mark.parametrize(("mode", "told"), [(0o600, None), (0o400, None), (0o640, 0o640), (0o604, 0o604)])
def test_a_file_that_others_may_read_is_known(tmp_path: Path, mode: int, told: int | None):
    file = tmp_path / "key"
    file.touch()
    file.chmod(mode)
    assert mode_for_others(file) == told


def test_settings_lie_where_the_desktop_says_or_in_the_users_home(monkeypatch: pytest.MonkeyPatch):
    assert settings_file("a.key", environ={"XDG_CONFIG_HOME": "/s"}) == Path("/s/rl_assets/a.key")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert settings_file("a.key", environ={}) == Path("/home/somebody/.config/rl_assets/a.key")
