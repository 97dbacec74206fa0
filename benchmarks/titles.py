"""Time of finding titles in a large catalogue: ``python benchmarks/titles.py [TITLES]`` (90,000 when left out).

The catalogue has invented words, and a fifth of its titles have a second name in brackets. The benchmark matches a
thousand titles, half of them with a typing error, then types queries into the search box letter by letter, and at last
matches titles that are made to be slow.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from movie_autoencoder.data.catalogue import Catalogue
from movie_autoencoder.data.matching.title_index import TitleIndex
from movie_autoencoder.data.matching.title_keys import split_year

SYLLABLES = ["ka", "mor", "lin", "tes", "ul", "ber", "sin", "fro", "da", "wen", "gro", "pi", "sha", "ten", "ri", "os"]
HOSTILE = ["A{}b", "{}", "a (1999-{}x", "a (1999-){}x"]  # with blanks between


def main(num_titles: int) -> None:
    rng = np.random.default_rng(0)
    words = ["".join(some) for some in rng.choice(SYLLABLES, (20_000, 3)).tolist()]
    titles = [" ".join(some) for some in rng.choice(words, (num_titles, 3)).tolist()]
    titles = [
        f"{title} ({other})" if row % 5 == 0 else title
        for row, (title, other) in enumerate(zip(titles, titles[::-1], strict=True))
    ]
    years = (2024 - rng.exponential(25, num_titles).astype(int)).clip(1900).tolist()
    catalogue = Catalogue.from_rows([str(row) for row in range(num_titles)], titles, years=years)
    index, seconds = timed(lambda: TitleIndex(catalogue))
    print(f"index of {num_titles:,} titles   {seconds:6.2f} s")
    rows = rng.choice(num_titles, 1000, replace=False).tolist()
    texts = [
        with_error(titles[row].split(" (")[0], rng) if number % 2 else titles[row] for number, row in enumerate(rows)
    ]
    print(f"the first typing error   {timed(lambda: index.match('nothing of the kind', 2000))[1]:6.2f} s")
    found, seconds = timed(lambda: [index.match(text, years[row]).row for text, row in zip(texts, rows, strict=True)])
    print(f"1,000 titles             {seconds:6.2f} s, {np.mean(np.array(found) == rows):.1%} found")
    typed = [text[:end] for text in texts[:100] for end in range(1, len(text) + 1)]
    index.search("a")
    each = [timed(lambda query=query: index.search(query))[1] for query in typed]  # type: ignore[misc]
    print(f"a key in the search box  {1000 * np.median(each):6.2f} ms at the median, {1000 * max(each):.1f} ms at most")
    hostile = [text.format(" " * 1_000_000) for text in HOSTILE]
    each = [timed(lambda text=text: (split_year(text), index.match(text)))[1] for text in hostile]  # type: ignore[misc]
    print(f"a million blanks         {1000 * max(each):6.2f} ms at most")


def with_error(title: str, rng: np.random.Generator) -> str:
    """A title with one letter exchanged."""
    position = int(rng.integers(len(title)))
    return title[:position] + "q" + title[position + 1 :]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result of a function, and the seconds that it took."""
    started = time.perf_counter()
    return work(), time.perf_counter() - started


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 90_000)
