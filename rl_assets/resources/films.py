"""The median and the worst episode of an evaluation, filmed where that is possible."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rl_assets.errors import NotFilmed
from rl_assets.reports.camera import Camera
from rl_assets.reports.videos import Video
from rl_assets.resources.cells import CellEvaluation
from rl_assets.rl.evaluation import EpisodeRecords
from rl_assets.rl.replay import RecordedEpisode, median_episode, worst_episode

CHOICES = {"median": median_episode, "worst": worst_episode}
"""Which episodes are filmed, and what their videos are called."""


@dataclass(frozen=True, kw_only=True)
class Film:
    """A video of an episode, and a copy of it that can be opened."""

    episode: RecordedEpisode
    video: Video
    path: Path


def film_evaluation(
    cell: CellEvaluation,
    episodes: Mapping[int, EpisodeRecords],
    *,
    camera: Camera,
    keep: Callable[[str, bytes], Path],
) -> tuple[dict[str, Film], dict[str, str]]:
    """Film what `CHOICES` names of an evaluation.

    Args:
        cell: the evaluation.
        episodes: member seed -> its episodes.
        camera: films.
        keep: writes a video under its name for people to open, and says where it stands.

    Returns:
        Films by name, and for each name without one the reason.
    """
    films: dict[str, Film] = {}
    reasons: dict[str, str] = {}
    videos: dict[RecordedEpisode, Video] = {}
    for name, choose in CHOICES.items():
        episode = choose(episodes)
        try:
            if episode not in videos:
                videos[episode] = camera.film(cell.replay(episode))
            path = keep(name, videos[episode].data)
        except NotFilmed as error:
            reasons[name] = str(error)
        except OSError as error:
            reasons[name] = f"the video cannot be written ({error})"
        else:
            films[name] = Film(episode=episode, video=videos[episode], path=path)
    return films, reasons
