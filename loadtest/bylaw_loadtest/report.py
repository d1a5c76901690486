"""Rounds of figures as a table: medians, and ratios to the baseline within a round, as the machine drifts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bylaw_loadtest.result import spread

Figures = Mapping[str, float]
Round = Mapping[str, Figures]

DIRECT = "direct"
_TITLES = {
    "plain_cpu_worker_us": "CPU us a request, workers",
    "plain_cpu_us": "CPU us a request, all processes",
    "plain_rate_hz": "requests/s, closed loop",
    "plain_p50_us": "latency p50 us, open loop",
    "plain_p99_us": "latency p99 us, open loop",
    "plain_added_p50_us": "added latency p50 us",
    "stream_cpu_worker_us": "CPU us a stream, workers",
    "stream_cpu_us": "CPU us a stream, all processes",
    "stream_rate_hz": "streams/s, closed loop",
    "stream_first_p50_us": "first event p50 us, open loop",
    "stream_added_first_p50_us": "added time to first event p50 us",
}
_ADDED = {"plain_added_p50_us": "plain_p50_us", "stream_added_first_p50_us": "stream_first_p50_us"}


def with_added(one: Round) -> dict[str, dict[str, float]]:
    """A round with what each subject adds to the direct way in the same round."""
    direct = one[DIRECT]
    return {
        name: {**figures, **{added: figures[of] - direct[of] for added, of in _ADDED.items()}}
        for name, figures in one.items()
        if name != DIRECT
    }


def summary(rounds: Sequence[Round], baseline: str) -> dict[str, dict[str, dict[str, float]]]:
    """Of each metric and subject: median, and minimum, median and maximum of the ratio to the baseline."""
    complete = [with_added(one) for one in rounds]
    return {
        metric: {name: _cell(complete, metric, name, baseline) for name in complete[0]} for metric in _TITLES
    }


def table(rounds: Sequence[Round], baseline: str) -> str:
    """The summary as text, one line for each metric and subject."""
    lines = [f"{'':34}{'':10}{'median':>10}   ratio to {baseline}: min  median  max"]
    for metric, cells in summary(rounds, baseline).items():
        for at, (name, cell) in enumerate(cells.items()):
            title = "" if at else _TITLES[metric]
            ratios = f"{cell['ratio_min']:8.2f}{cell['ratio']:8.2f}{cell['ratio_max']:8.2f}"
            lines.append(f"{title:34}{name:10}{cell['median']:10.1f}   {ratios}".rstrip())
    return "\n".join(lines)


def _cell(rounds: Sequence[Round], metric: str, name: str, baseline: str) -> dict[str, float]:
    least, middle, most = spread([one[name][metric] / one[baseline][metric] for one in rounds])
    _, median, _ = spread([one[name][metric] for one in rounds])
    return {"median": median, "ratio_min": least, "ratio": middle, "ratio_max": most}
