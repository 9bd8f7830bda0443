import hashlib
import hmac

import pytest

from rl_assets.erasure.digests import draw_digest_key, keyed_digest

KEY = bytes(range(32))


def test_a_digest_is_an_hmac_over_the_kind_and_the_value():
    expected = hmac.new(KEY, b"dataset\nc-0123456789.d1", hashlib.sha256).hexdigest()
    assert keyed_digest(KEY, "dataset", "c-0123456789.d1") == expected


def test_another_key_or_kind_gives_another_digest():
    digests = {
        keyed_digest(KEY, "dataset", "a"),
        keyed_digest(KEY, "pseudonym", "a"),
        keyed_digest(KEY[::-1], "dataset", "a"),
        keyed_digest(KEY, "dataset", "b"),
    }
    assert len(digests) == 4


def test_drawn_keys_differ_and_a_short_key_is_refused():
    assert draw_digest_key() != draw_digest_key()
    assert len(draw_digest_key()) == 32
    with pytest.raises(ValueError, match="expected 32 bytes, got 3"):
        keyed_digest(b"key", "dataset", "a")
