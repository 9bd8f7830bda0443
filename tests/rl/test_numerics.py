import json

from rl_assets.rl.numerics import NUMERICS_VERSION, numerics_fingerprint


def test_the_fingerprint_names_what_bits_depend_on_and_fits_into_json():
    fingerprint = numerics_fingerprint("fused")
    assert fingerprint["numerics_version"] == NUMERICS_VERSION
    assert fingerprint["backend"] == "fused"
    assert {"backend", "cpu_capability", "torch"} < set(fingerprint)
    assert json.loads(json.dumps(fingerprint)) == fingerprint
