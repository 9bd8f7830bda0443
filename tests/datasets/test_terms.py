from datetime import date

import pytest

from rl_assets.datasets.terms import DatasetTerms, LawfulBasis, read_terms
from rl_assets.errors import InvalidDataset

TODAY = date(2026, 2, 1)


@pytest.mark.parametrize("retention", [28, "28", "28d", "28 days", "2026-03-01", date(2026, 3, 1)])
def test_retention_is_days_from_today_or_the_last_day(retention: object):
    terms = read_terms(retention=retention, today=TODAY)  # pyright: ignore[reportArgumentType]
    assert terms.retain_until == date(2026, 3, 1)
    assert not terms.is_expired(today=date(2026, 3, 1))
    assert terms.is_expired(today=date(2026, 3, 2))


@pytest.mark.parametrize(
    "retention", ["", "soon", "0", "-3", "2026-02-01", "2025-01-01", "2026-02-30", "1e3", "99999999"]
)
def test_a_retention_that_is_none_is_refused(retention: str):
    with pytest.raises(InvalidDataset, match="'retention'"):
        read_terms(retention=retention, today=TODAY)


@pytest.mark.parametrize("text", ["legitimate_interests", "Legitimate Interests", "legitimate-interests "])
def test_a_lawful_basis_is_one_of_seven_in_any_layout(text: str):
    assert read_terms(lawful_basis=text, today=TODAY).lawful_basis is LawfulBasis.LEGITIMATE_INTERESTS
    with pytest.raises(InvalidDataset, match=r"expected one of consent, contract, .* got 'because'"):
        read_terms(lawful_basis="because", today=TODAY)


@pytest.mark.parametrize("field", ["purpose", "licence"])
def test_free_text_must_be_one(field: str):
    with pytest.raises(InvalidDataset, match=f"field '{field}': expected a non-empty text"):
        read_terms(**{field: " "}, today=TODAY)  # pyright: ignore[reportArgumentType]


def test_what_nobody_said_stays_unsaid_and_terms_come_back_from_json():
    assert read_terms(today=TODAY) == DatasetTerms()
    terms = read_terms(lawful_basis="consent", purpose="p", retention="90", licence="l", today=TODAY)
    assert DatasetTerms.from_json(terms.to_json()) == terms
    assert DatasetTerms.from_json(DatasetTerms().to_json()) == DatasetTerms()
