"""Recommendations with reasons from somebody's stars, in Python.

    python train.py                       # once; or --data ml-32m for more and newer films
    python examples/for_you.py [RUN] [RATINGS]

RUN is a trained run (runs/latest when left out); RATINGS a Letterboxd zip, an IMDb CSV or a table of titles and stars.
"""

from __future__ import annotations

import sys

from movie_autoencoder import Recommender

run = sys.argv[1] if len(sys.argv) > 1 else "runs/latest"
ratings = (
    sys.argv[2]
    if len(sys.argv) > 2
    else {"Alien (1979)": 4.5, "Blade Runner (1982)": 5, "The Terminator (1984)": 4, "Pretty Woman (1990)": 2}
)

recommender = Recommender.load(run)  # NumPy and SciPy only: TensorFlow is not loaded
person = recommender.person(ratings)  # read and matched once; every method also takes the ratings themselves
print(f"{len(person.matched)} films found, {len(person.ambiguous)} ambiguous, {len(person.unmatched)} not found")

# What to watch: predicted stars, an interval that is right nine times in ten, and the reason.
answer = recommender.recommend(person, k=8)
for film in answer.items:
    certain = "" if film.low is None else f"{film.low:.1f} to {film.high:.1f}"
    print(f"{film.rank:2}  {film.stars:.1f}  {certain:10}  {film.label}: {film.why}")

# Little known films of a genre and of some years.
rare = recommender.recommend(person, k=3, popularity=-0.8, genres=["Drama"], years=(1990, None))
print("little known:", "; ".join(film.label for film in rare.items))

# The reasons for a prediction: base and shares add up to the reconstruction.
why = recommender.explain(person, answer.items[0].item_id, top=3)
for share in why.shares or ():
    parts = f"{share.your_stars:+.2f} by your stars, {share.you_chose_it:+.2f} by having chosen it"
    print(f"{share.share:+.2f} from {share.label} ({parts})")

# The film whose rating would teach the model most. A new rating changes the recommendations at once.
suggestion = recommender.next_to_rate(person, k=1)[0]
print("rate next:", suggestion.label)

# Films similar to one, and how much two people agree.
film = answer.items[0].item_id
print("similar:", "; ".join(other.label for other in recommender.similar(film, 3)))
print("agreement with somebody else:", recommender.compare(person, {"Pretty Woman (1990)": 5}).agreement)
