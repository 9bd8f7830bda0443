"""What the UI shows of a dataset: counts, distributions and terms, and nothing in the client's words."""

import math
from collections import Counter
from pathlib import PurePosixPath
from typing import Any

import dagster as dg
import numpy as np

from rl_assets.datasets.files import DatasetContent
from rl_assets.datasets.register import RegisteredDataset
from rl_assets.datasets.summary import QUANTILES, EpisodeSummary, Layout, distribution
from rl_assets.reports.curves import as_data_uri
from rl_assets.reports.dataset_card import distributions_svg
from rl_assets.reports.numbers import count_of

MAX_ROWS = 20
UNSAID = "not said"


def describe_dataset(
    entry: RegisteredDataset, content: DatasetContent, summary: EpisodeSummary | None
) -> dict[str, Any]:
    """Metadata of a dataset's materialization.

    Args:
        entry: of the client register; its free texts are left out.
        content: its bytes.
        summary: its episodes; None where it has none, or none that can be read.
    """
    return {
        "content": content.kind,
        "num_files": len(content.files),
        "size_bytes": content.size_bytes,
        "merkle_root": content.merkle_root,
        "formats": _formats(content),
        "lawful_basis": entry.terms.lawful_basis.value if entry.terms.lawful_basis else UNSAID,
        "retain_until": entry.terms.retain_until.isoformat() if entry.terms.retain_until else UNSAID,
        "env": entry.env or UNSAID,
        **({"num_erased_subjects": len(entry.erased_subjects)} if entry.erased_subjects else {}),
        **({} if summary is None else _describe_episodes(summary)),
        "files": dg.MetadataValue.table(
            [
                dg.TableRecord({"file": number, "sha256": file.sha256, "size_bytes": file.size_bytes})
                for number, file in enumerate(content.listing[:MAX_ROWS])
            ],
            schema=dg.TableSchema(
                [dg.TableColumn("file", "int"), dg.TableColumn("sha256"), dg.TableColumn("size_bytes", "int")]
            ),
        ),
    }


def _describe_episodes(summary: EpisodeSummary) -> dict[str, Any]:
    returns, lengths = distribution(summary.returns), distribution(summary.lengths)
    picture = as_data_uri(distributions_svg([("Returns", summary.returns), ("Lengths, steps", summary.lengths)]))
    return {
        "num_episodes": summary.num_episodes,
        "num_steps": summary.num_steps,
        "num_terminated": summary.num_terminated,
        "num_truncated": summary.num_truncated,
        "num_cut": summary.num_cut,
        "nan_share": summary.nan_share,
        **({"mean_return": returns["mean"]} if returns else {}),
        "mean_length": lengths["mean"],
        "distributions": dg.MetadataValue.md(f"![returns and lengths]({picture})"),
        "episodes": _table({"return": returns, "length": lengths}, ("mean", "std", *QUANTILES)),
        "arrays": dg.MetadataValue.table(
            [
                dg.TableRecord(_layout_row(name, layout))
                for name, layout in (
                    ("observations", summary.observations),
                    ("actions", summary.actions),
                    ("rewards", summary.rewards),
                )
            ],
            schema=dg.TableSchema(
                [dg.TableColumn(name) for name in ("array", "type", "low", "high", "NaN", "infinite")]
            ),
        ),
    }


def _layout_row(name: str, layout: Layout) -> dict[str, str]:
    known = ~np.isnan(layout.low)
    low, high = (layout.low[known].min(), layout.high[known].max()) if known.any() else (math.nan, math.nan)
    return {
        "array": name,
        "type": layout.label,
        "low": f"{low:.6g}",
        "high": f"{high:.6g}",
        "NaN": f"{layout.nan_share:.2%}",
        "infinite": str(layout.num_infinite),
    }


def _table(rows: dict[str, dict[str, float]], columns: tuple[str, ...]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"of an episode": name} | {key: f"{row[key]:.6g}" if row else "–" for key in columns})
            for name, row in rows.items()
        ],
        schema=dg.TableSchema([dg.TableColumn("of an episode"), *(dg.TableColumn(key) for key in columns)]),
    )


def _formats(content: DatasetContent) -> str:
    """Kinds of files by known suffix; an unknown one may be a word of the client's and counts as other."""
    counts = Counter(PurePosixPath(name).suffix.removeprefix(".") or "other" for name in content.files)
    return ", ".join(f"{kind}: {count_of(number, 'file')}" for kind, number in sorted(counts.items()))
