import os
import pwd
from pathlib import Path

import pytest

from rl_assets.errors import InvalidConfig, RoleMissing
from rl_assets.resources.actors import Actor, Roles, acting, acting_as, os_user

OWNER = pwd.getpwuid(os.getuid()).pw_name


def roles(folder: Path, text: str | None = None) -> Roles:
    if text is not None:
        (folder / "roles.yaml").write_text(text)
    return Roles(file=folder / "roles.yaml", state=folder / "state" / "not there yet")


def test_the_user_of_the_system_is_an_actor_nobody_vouches_for():
    assert os_user() == Actor(name=OWNER)
    assert not os_user().is_verified
    assert str(os_user()) == f"'{OWNER}' (claimed)"


def test_the_environment_does_not_decide_who_the_user_is(monkeypatch: pytest.MonkeyPatch):
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert os_user().name == OWNER


def test_an_identity_that_was_vouched_for_says_by_whom():
    actor = Actor(name="alice", verified_by="header X-User")
    assert actor.is_verified
    assert str(actor) == "'alice' (verified by header X-User)"


def test_without_a_file_the_owner_of_the_state_holds_every_role(tmp_path: Path):
    roles(tmp_path).require(Actor(name=OWNER), "promoter", to="promote")
    with pytest.raises(RoleMissing, match=rf"'mallory' \(claimed\) may not promote: .*held by '{OWNER}', who owns"):
        roles(tmp_path).require(Actor(name="mallory"), "promoter", to="promote")


def test_with_a_file_only_those_named_hold_a_role(tmp_path: Path):
    named = roles(tmp_path, "promoter: [alice, bob@example.com]\n")
    named.require(Actor(name="alice"), "promoter", to="promote")
    named.require(Actor(name="bob@example.com"), "promoter", to="promote")
    with pytest.raises(RoleMissing, match=r"may not roll back: expected one of those .* which are alice, bob@example"):
        named.require(Actor(name=OWNER), "promoter", to="roll back")


def test_a_role_that_nobody_holds_is_nobodys(tmp_path: Path):
    with pytest.raises(RoleMissing, match="which are nobody"):
        roles(tmp_path, "promoter: []\n").require(Actor(name=OWNER), "promoter", to="promote")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("emperor: [alice]\n", "unknown field 'emperor'"),
        ("promoter: alice\n", "field 'promoter': expected a list"),
        ("", "the document is empty"),
    ],
)
def test_a_file_that_is_no_list_of_roles_gives_nobody_a_role(tmp_path: Path, text: str, words: str):
    with pytest.raises(InvalidConfig, match=words):
        roles(tmp_path, text).require(Actor(name=OWNER), "promoter", to="promote")


def test_an_actor_acts_within_the_block_alone():
    alice = Actor(name="alice", verified_by="proxy")
    assert acting() is None
    with acting_as(alice):
        assert acting() == alice
    assert acting() is None


def test_an_erasure_takes_two_persons_where_nobody_says_otherwise(tmp_path: Path):
    alone = roles(tmp_path)
    with pytest.raises(
        RoleMissing, match=rf"'{OWNER}' \(claimed\) may not erase alone: .* write .*'second_actor: false'"
    ):
        alone.require_second(Actor(name=OWNER), first=OWNER, to="erase")
    assert alone.require_second(Actor(name="bob"), first=OWNER, to="erase")
    named = roles(tmp_path, "eraser: [alice, bob]\n")
    with pytest.raises(RoleMissing, match="what alice planned"):
        named.require_second(Actor(name="alice"), first="alice", to="erase")
    assert named.require_second(Actor(name="bob"), first="alice", to="erase")


def test_one_person_is_enough_where_the_file_says_so(tmp_path: Path):
    named = roles(tmp_path, "eraser: [alice, bob]\nsecond_actor: false\n")
    assert named.require_second(Actor(name="alice"), first="alice", to="erase") is False
    assert named.require_second(Actor(name="bob"), first="alice", to="erase") is True


def test_who_may_promote_may_not_erase_by_that(tmp_path: Path):
    named = roles(tmp_path, "promoter: [alice]\neraser: [bob]\n")
    with pytest.raises(RoleMissing, match="role 'eraser'"):
        named.require(Actor(name="alice"), "eraser", to="erase")
    named.require(Actor(name="bob"), "eraser", to="erase")
