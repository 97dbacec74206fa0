"""How fast titles are found in a large catalogue: ``python benchmarks/titles.py [TITLES]`` (90,000 when left out).

The catalogue is made of invented words, a fifth of its titles with a second name in brackets. A thousand titles are
asked for, half of them with a slip of the keyboard; then a search box's queries, letter by letter.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from movie_autoencoder.data.catalogue import Catalogue
from movie_autoencoder.data.matching.title_index import TitleIndex

SYLLABLES = ["ka", "mor", "lin", "tes", "ul", "ber", "sin", "fro", "da", "wen", "gro", "pi", "sha", "ten", "ri", "os"]


def main(num_titles: int) -> None:
    rng = np.random.default_rng(0)
    words = ["".join(some) for some in rng.choice(SYLLABLES, (20_000, 3)).tolist()]
    titles = [" ".join(some) for some in rng.choice(words, (num_titles, 3)).tolist()]
    titles = [
        f"{title} ({other})" if place % 5 == 0 else title
        for place, (title, other) in enumerate(zip(titles, titles[::-1], strict=True))
    ]
    years = (2024 - rng.exponential(25, num_titles).astype(int)).clip(1900).tolist()
    catalogue = Catalogue.from_rows([str(row) for row in range(num_titles)], titles, years=years)
    index, seconds = timed(lambda: TitleIndex(catalogue))
    print(f"index of {num_titles:,} titles   {seconds:6.2f} s")
    asked = rng.choice(num_titles, 1000, replace=False).tolist()
    texts = [slip(titles[row].split(" (")[0], rng) if place % 2 else titles[row] for place, row in enumerate(asked)]
    print(f"the first slip           {timed(lambda: index.match('nothing of the kind', 2000))[1]:6.2f} s")
    found, seconds = timed(lambda: [index.match(text, years[row]).row for text, row in zip(texts, asked, strict=True)])
    print(f"1,000 titles             {seconds:6.2f} s, {np.mean(np.array(found) == asked):.1%} found")
    typed = [text[:end] for text in texts[:100] for end in range(1, len(text) + 1)]
    index.search("a")
    each = [timed(lambda query=query: index.search(query))[1] for query in typed]  # type: ignore[misc]
    print(f"a key in the search box  {1000 * np.median(each):6.2f} ms at the median, {1000 * max(each):.1f} ms at most")


def slip(title: str, rng: np.random.Generator) -> str:
    """A title with one letter exchanged."""
    place = int(rng.integers(len(title)))
    return title[:place] + "q" + title[place + 1 :]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    return work(), time.perf_counter() - started


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 90_000)
