"""A trained model in use: anyone's ratings in; stars, recommendations and reasons out. Without TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from ..bundle.bundle import Bundle, load_bundle
from ..data.catalogue import Catalogue, split_year
from ..data.matching.person import Person, match_person
from ..data.matching.title_index import TitleIndex
from ..data.ratings import FloatArray, Ids, IntArray, Ratings, Scale, locate
from ..data.sources.entries import Entry, PersonalFile
from ..models.autorec.trained import TrainedAutorec
from ..models.base import Encoded, TrainedModel, in_vocabulary
from ..models.baselines import DampedBias, imputed_hearts
from ..models.neighbours import directions
from ..models.person import EncodedPerson, PersonEncoder, Shares
from ..uncertainty import StarDistribution, StarModel, one_point
from .explore import clusters, information, narrowed, plane
from .schemas import (
    Comparison,
    Explanation,
    ForTwo,
    Group,
    Item,
    Recommendation,
    Recommendations,
    Reconstructed,
    Share,
    Similar,
    Spot,
    Suggestion,
    TasteMap,
    Without,
)

AnyRatings = Person | PersonalFile | Ratings | Mapping[Any, float] | str | os.PathLike[str]
Years = tuple[int | None, int | None]

_SHORTLIST = 500  # items, best before the model leans towards the person's own stars, that are looked at closely
_SWAY = 0.5  # points of a five-star scale that popularity may cost or win
_WELL_KNOWN = 1000  # most rated items: among them one is asked, grouped and compared
_FEW = 5.0  # ratings at which the likeness of an item is believed by half
_NOTABLE = 0.005  # of the scale's span: a smaller share is no reason


@dataclass(frozen=True, eq=False)
class _Row:
    """A person in the columns of the model: what they said, no item twice.

    Args:
        items: with stars, shape ``(n,)``.
        stars: that were given, rating points, same shape.
        liked: with a heart and no stars.
        seen: watched and nothing else.
    """

    items: IntArray
    stars: FloatArray
    liked: IntArray
    seen: IntArray

    @property
    def chosen(self) -> IntArray:
        """All items, in the order of `Shares.marks`."""
        return np.concatenate([self.items, self.liked, self.seen])

    @property
    def given(self) -> list[float | None]:
        """Stars that were given to each of `chosen`."""
        return [*self.stars.tolist(), *[None] * (len(self.liked) + len(self.seen))]

    def without(self, column: int) -> _Row:
        """The same person without what they said of one item."""
        keep = self.items != column
        return _Row(
            self.items[keep], self.stars[keep], self.liked[self.liked != column], self.seen[self.seen != column]
        )


class RecommenderError(ValueError):
    """What was asked for cannot be answered; the message names the value, and what is allowed or known."""


class Recommender:
    """A run's bundle, loaded.

    What the methods take as somebody's ratings: a mapping from item ids or titles to stars, a file (`read_personal`
    says which), a `PersonalFile`, `Ratings` of one user, or a `Person`.

    Args:
        bundle: what `train` saved.
        run: the run's folder, when it came from one.

    Example:
        ``Recommender.load("runs/latest").recommend({"Alien (1979)": 4.5, "Heat (1995)": 3}, k=10)``
    """

    def __init__(self, bundle: Bundle, run: Path | None = None) -> None:
        self.run = run
        self.name: str = bundle.metadata["config"]["model"]["name"]
        self.model: TrainedModel = bundle.model
        self.baselines: Mapping[str, TrainedModel] = bundle.baselines
        self.user_ids: Ids = bundle.user_ids
        self.item_ids: Ids = bundle.item_ids
        self.user_counts: IntArray = bundle.user_counts
        self.item_counts: IntArray = bundle.item_counts
        self.ratings: Ratings | None = bundle.ratings
        self.catalogue = bundle.catalogue
        self.items: Catalogue = bundle.catalogue.align(bundle.item_ids)  # a row for each column of the model
        self.star_model: StarModel | None = bundle.star_model
        self.metadata: Mapping[str, Any] = bundle.metadata

    @classmethod
    def load(cls, run: str | os.PathLike[str]) -> Recommender:
        """Loads the bundle of a run's folder.

        Raises:
            BundleError: no bundle there, or a damaged one; the message names the file.
        """
        return cls(load_bundle(Path(run) / "bundle"), Path(run))

    @property
    def scale(self) -> Scale:
        """The stars that predictions lie on."""
        return self.model.scale

    @cached_property
    def titles(self) -> TitleIndex:
        """Finds items by title."""
        return TitleIndex(self.items, self.item_counts)

    def locate_users(self, user_ids: npt.ArrayLike) -> npt.NDArray[Any]:
        """Row of each training user, -1 where the id is unknown."""
        return locate(self.user_ids, user_ids)

    def locate_items(self, item_ids: npt.ArrayLike) -> npt.NDArray[Any]:
        """Column of each training item, -1 where the id is unknown."""
        return locate(self.item_ids, item_ids)

    def encode(self, ratings: Ratings) -> Encoded:
        """Encodes anyone from their ratings, by item id: latent vectors of shape ``(num_users, latent_dim)``.

        Ratings of items that training did not see say nothing here and are left out.

        Raises:
            RecommenderError: stars outside the scale that the model was trained on, or ids of another kind.
        """
        if not self.scale.contains(ratings.values).all():
            raise RecommenderError(
                f"These ratings lie on the scale {ratings.scale}, and the model on {self.scale}. Map them first: "
                "ratings.scale.convert(ratings.values, recommender.scale)."
            )
        return self.model.fold_in(in_vocabulary(ratings, self.item_ids))

    def predict(
        self, user_ids: npt.ArrayLike, item_ids: npt.ArrayLike, *, times: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Stars on the scale for pairs of ids, shape ``(n,)``; an unknown id gets what the model says of anyone.

        Args:
            user_ids: shape ``(n,)``.
            item_ids: shape ``(n,)``.
            times: when each rating is given, seconds since 1970; read by a model trained with ``model.time_aware``.
        """
        when = None if times is None else np.asarray(times)
        return self.model.predict(self.locate_users(user_ids), self.locate_items(item_ids), times=when)

    def predict_distribution(
        self, user_ids: npt.ArrayLike, item_ids: npt.ArrayLike, *, times: npt.ArrayLike | None = None
    ) -> StarDistribution:
        """How likely each star value is for pairs of ids: probabilities, mean, interval, chance of liking.

        Arguments as for `predict`.

        Raises:
            RecommenderError: the model was trained without a validation part, which distributions are learnt on.

        Example:
            ``recommender.predict_distribution([1], [318]).like_probability()`` is the chance of 4 stars or more.
        """
        if self.star_model is None:
            raise RecommenderError(
                "This model has no distributions: they are learnt on the validation part, and it was trained without "
                "one. Train with a --validation-fraction above 0."
            )
        users, items = self.locate_users(user_ids), self.locate_items(item_ids)
        return self.star_model.distribution(self.predict(user_ids, item_ids, times=times), users, items)

    def person(self, ratings: AnyRatings, *, liked: Iterable[Any] = (), seen: Iterable[Any] = ()) -> Person:
        """Anyone's ratings, matched with the items of this model.

        Args:
            ratings: see the class.
            liked: ids or titles of further items that the person liked without giving stars.
            seen: likewise of items that were watched and nothing else.

        Raises:
            SourceError: a file that cannot be read.
            RecommenderError: stars outside the scale, or `Ratings` of more than one user.
        """
        liked, seen = list(liked), list(seen)
        if isinstance(ratings, Ratings):
            if ratings.num_users != 1:
                raise RecommenderError(f"Ratings of one user are wanted here. Received: {ratings.num_users} users.")
            ids = ratings.item_ids[ratings.item_index].tolist()
            ratings = dict(zip(ids, ratings.values.astype(float).tolist(), strict=True))
        if (liked or seen) and isinstance(ratings, Person | PersonalFile | str | os.PathLike):
            raise RecommenderError(
                "liked= and seen= go with a mapping or Ratings; a file or a Person has hearts of its own."
            )
        if isinstance(ratings, Person):
            return ratings
        if isinstance(ratings, str | os.PathLike):
            from ..data.sources import read_personal

            return match_person(read_personal(ratings), self.titles, self.scale)
        if not isinstance(ratings, PersonalFile):
            columns = [] if liked or seen else [self._certain(item) for item in ratings]
            if columns and min(columns) >= 0 and len(set(columns)) == len(columns):  # nothing to report: the short way
                for item, stars in ratings.items():
                    self._check_stars(item, stars)
                return Person.of_stars(self.item_ids[columns], list(ratings.values()), catalogue=self.items)
            rated = [self._entry(item, "rated", stars) for item, stars in ratings.items()]
            others = [self._entry(item, "liked") for item in liked] + [self._entry(item, "watched") for item in seen]
            ratings = PersonalFile("python", self.scale, (*rated, *others), "")
        return match_person(ratings, self.titles, self.scale)

    def _certain(self, item: Any) -> int:
        """Column of an id or of a title that can mean nothing else, -1 otherwise."""
        column = self._place.get(item, -1)
        return self.titles.match(*split_year(item)).row if column < 0 and isinstance(item, str) else column

    def _entry(self, item: Any, kind: str, stars: float | None = None) -> Entry:
        """A key of a mapping: an id where there is such an item, else a title."""
        if stars is not None:
            self._check_stars(item, stars)
        if str(item) in self.items:
            return Entry("", None, stars, kind, item_id=str(item))
        return Entry(*split_year(str(item)), stars, kind)

    def _check_stars(self, item: Any, stars: Any) -> None:
        if not isinstance(stars, (int, float, np.number)):
            raise RecommenderError(f"Stars must be numbers. Received: {stars!r} for {item!r}.")
        if not self.scale.minimum <= stars <= self.scale.maximum:  # NaN too
            raise RecommenderError(f"Stars must lie on the scale {self.scale}. Received: {stars!r} for {item!r}.")

    def training_person(self, user_id: object) -> Person:
        """A training user's own training ratings.

        Raises:
            RecommenderError: there is no such user, or the bundle was saved without ratings.
        """
        if self.ratings is None:
            raise RecommenderError(
                "This bundle was saved without its training ratings (bundle.ratings=false), so that its users' own "
                "ratings are not known. Give them as a file, or train again."
            )
        row = int(self.locate_users(np.array([user_id], dtype=object))[0])
        if row < 0:
            few = ", ".join(str(one) for one in self.user_ids[:3].tolist())
            raise RecommenderError(f"No user {user_id!r} among the {len(self.user_ids):,} training users ({few}, …).")
        cells = self.ratings.row(row)
        ids = self.item_ids[self.ratings.item_index[cells]]
        return Person.of_stars(ids, self.ratings.values[cells], catalogue=self.items)

    def recommend(
        self,
        ratings: AnyRatings,
        k: int = 20,
        *,
        genres: Collection[str] = (),
        years: Years = (None, None),
        popularity: float = 0.0,
        exclude: Iterable[Any] = (),
        only: Iterable[Any] | None = None,
    ) -> Recommendations:
        """The items that the person is expected to give the most stars, among those that they have not seen.

        Args:
            ratings: see the class.
            k: how many; fewer where fewer are left.
            genres: at least one of these, in any case of letters; all when left out.
            years: first and last year of release; None is open.
            popularity: from -1, little known ones first, to 1, well known ones; 0 leaves it to the stars alone. What
                comes up is within half a point (of five) of what would have come up anyway.
            exclude: ids or titles of items that are not wanted.
            only: ids or titles of the only items that are wanted, such as a watchlist; each is looked at closely.

        Raises:
            RecommenderError: ``k`` below 1, a popularity outside -1 to 1, or a genre that no item has.

        Example:
            ``recommender.recommend({"Alien (1979)": 5}, k=5, genres=["Sci-Fi"], years=(1990, None)).items[0].why``
        """
        _check_count("k", k)
        if not -1 <= popularity <= 1:
            raise RecommenderError(f"popularity must lie between -1 and 1. Received: {popularity}.")
        person = self.person(ratings)
        with _one_thread():
            row = self._row(person)
            reading = self._read(row)
            wanted, unknown = self._found(only) if only is not None else (None, 0)
            unwanted, others = self._found(exclude)
            left = self._eligible(genres, years, wanted)
            left[row.chosen] = left[unwanted] = False
            if only is None:
                candidates = _largest(reading.reconstruct(), max(_SHORTLIST, k), left)
            else:
                candidates = np.flatnonzero(left)
            stars = self._closely(reading, row, candidates)
            best = self._swayed(candidates, stars, k, popularity)
            found = self._recommendations(row, reading, candidates[best], stars[best])
            return Recommendations(found, person, self._notes(person, unknown + others))

    def recommend_many(self, ratings: Ratings, k: int = 10) -> tuple[Ids, FloatArray]:
        """The best items for each of many people, among those that they have not rated.

        Args:
            ratings: of anyone, by item id.
            k: how many for each.

        Returns:
            Item ids and predicted stars, both of shape ``(num_users, k)``, best first; stars are NaN (and the ids any)
            where fewer than ``k`` items are left.
        """
        _check_count("k", k)
        known = in_vocabulary(ratings, self.item_ids)
        side = self.encode(ratings)
        ids = np.empty((known.num_users, k), dtype=self.item_ids.dtype)
        stars = np.full((known.num_users, k), np.nan)
        shortlist = min(max(_SHORTLIST, k), len(self.item_ids))
        step = max(1, (1 << 24) // len(self.item_ids))
        for start in range(0, known.num_users, step):
            rows = np.arange(start, min(start + step, known.num_users))
            raw = side.factors[rows] @ self.model.items.factors[:-1].T
            raw += self.model.items.offset[:-1]
            cells = slice(known.user_starts[rows[0]], known.user_starts[rows[-1] + 1])
            raw[known.user_index[cells] - start, known.item_index[cells]] = -np.inf
            near = np.argpartition(raw, -shortlist, axis=1)[:, -shortlist:]
            users = np.repeat(rows, shortlist)
            close = self.model.reconstruct(users, near.ravel(), encoded_users=side).reshape(near.shape)
            close[np.isneginf(np.take_along_axis(raw, near, axis=1))] = -np.inf
            order = np.argsort(-close, axis=1, kind="stable")[:, :k]
            found = np.take_along_axis(close, order, axis=1)
            count = order.shape[1]
            ids[rows, :count] = self.item_ids[np.take_along_axis(near, order, axis=1)]
            stars[rows, :count] = np.where(np.isneginf(found), np.nan, self.scale.clip(found))
        return ids, stars

    def predict_person(
        self, ratings: AnyRatings, item_ids: npt.ArrayLike
    ) -> tuple[FloatArray, StarDistribution | None]:
        """A person's stars at items, shape ``(n,)``, and how likely each star value is; an unknown item as for anyone.

        A rating of an item that is asked for is not left out: see `explain` and `reconstruction` for that.
        """
        row = self._row(self.person(ratings))
        columns = self.locate_items(item_ids)
        known = columns >= 0
        stars: FloatArray = np.empty(len(columns))
        stars[known] = self._closely(self._read(row), row, columns[known])
        if not known.all():
            nobody = np.zeros(1, dtype=np.int64)
            anyone = self.model.reconstruct(nobody, nobody - 1, encoded_users=self.model.fold_in(self._ratings(row)))
            stars[~known] = anyone[0]
        stars = self.scale.clip(stars)
        return stars, self._distribution(row, stars, columns)

    def explain(self, ratings: AnyRatings, item_id: Any, *, top: int = 10) -> Explanation:
        """Why the model expects so many stars for an item: what each rating adds, and what changes without it.

        Two figures, not to be mixed: the *shares* and the base add up to the raw reconstruction; *without* it is the
        reconstruction when a rating is left out and everything else encoded again. A rating of the item itself is left
        out of both.

        Args:
            ratings: see the class.
            item_id: an id or a title.
            top: how many of the ratings are named, those with the largest shares.

        Raises:
            RecommenderError: the model does not know the item.

        Example:
            ``recommender.explain({"Alien (1979)": 5, "Heat (1995)": 3}, "Aliens (1986)").shares[0]``
        """
        _check_count("top", top)
        row, column = self._row(self.person(ratings)), self._column(item_id)
        rated = bool((row.items == column).any())
        row = row.without(column)
        reading, asked = self._read(row), np.array([column])
        raw = float(reading.reconstruct(asked)[0])
        stars = self.scale.clip(np.array([raw]))
        everything = reading.shares(asked)
        chosen, given = row.chosen, row.given
        changes = np.full(len(chosen), np.nan)
        if everything is None:  # not linear in the stars: what counts is what changes
            changes = np.array([raw - self._without(row, one, asked) for one in chosen.tolist()])
            order = np.argsort(-np.abs(changes), kind="stable")[:top]
        else:
            by_star, by_mark = _both(everything)
            order = np.argsort(-np.abs(by_star + by_mark)[:, 0], kind="stable")[:top]
        without = []
        for place in order.tolist():
            left = raw - changes[place] if everything is None else self._without(row, int(chosen[place]), asked)
            without.append(Without(*self._facts(chosen[place]), given[place], float(left), raw - float(left)))
        shares = None
        if everything is not None:
            shares = tuple(
                Share(*self._facts(chosen[place]), given[place], float(by_star[place, 0]), float(by_mark[place, 0]))
                for place in order.tolist()
            )
        base = None if everything is None else float(everything.base[0])
        rest = 0.0 if shares is None or base is None else raw - base - sum(share.share for share in shares)
        low, high, likes = self._certainty(row, stars, asked)
        return Explanation(
            *self._facts(column),
            float(stars[0]),
            low[0],
            high[0],
            likes[0],
            raw,
            base,
            float(stars[0]) - raw,
            shares,
            rest,
            tuple(without),
            rated,
        )

    def similar(
        self, item_id: Any, k: int = 20, *, genres: Collection[str] = (), years: Years = (None, None)
    ) -> tuple[Similar, ...]:
        """Items whose latent vectors point the same way: liked, or disliked, by the same people.

        Args:
            item_id: an id or a title.
            k: how many.
            genres: as for `recommend`.
            years: likewise.

        Raises:
            RecommenderError: the model does not know the item.
        """
        _check_count("k", k)
        column = self._column(item_id)
        left = self._eligible(genres, years, None)
        left[column] = False
        cosines = self._directions @ self._directions[column]
        believed = cosines * self.item_counts / (self.item_counts + _FEW)
        candidates = np.flatnonzero(left)
        best = candidates[np.argsort(-believed[candidates], kind="stable")[:k]]
        return tuple(Similar(*self._facts(one), float(believed[one])) for one in best)

    def next_to_rate(
        self, ratings: AnyRatings, k: int = 10, *, among: Iterable[Any] | None = None, known: bool = False
    ) -> tuple[Suggestion, ...]:
        """Items whose rating would teach the model most about a person, among those that they may well know.

        Each is worth the chance that somebody knows it (how many have rated it) times how much a rating would narrow
        down the rest (`discovery.information`); one after the other, each given those before it.

        Args:
            ratings: see the class.
            k: how many.
            among: ids of the items to choose from; the well known ones when left out.
            known: whether the person knows them all, so that only what a rating tells counts.
        """
        _check_count("k", k)
        row = self._row(self.person(ratings))
        asked = self._well_known if among is None else np.unique(self._columns(among))
        asked = asked[~np.isin(asked, row.chosen)]
        chance = np.ones(len(asked)) if known else self.item_counts[asked] / len(self.user_ids)
        design, noise = self._design, self._noise
        targets = design[self._well_known]
        covariance = narrowed(self._covariance, design[[*row.items, *row.liked]], noise)
        found: list[tuple[int, float]] = []
        for _ in range(min(k, len(asked))):
            gains = chance * information(covariance, design[asked], targets, noise)
            best = int(np.argmax(gains))
            found.append((int(asked[best]), float(gains[best])))
            covariance = narrowed(covariance, design[asked[best]][None], noise)
            asked, chance = np.delete(asked, best), np.delete(chance, best)
        most = max((gain for _, gain in found), default=1.0) or 1.0
        return tuple(Suggestion(*self._facts(column), gain / most) for column, gain in found)

    def reconstruction(self, ratings: AnyRatings, most: int | None = None) -> tuple[Reconstructed, ...]:
        """Every rating beside its reconstruction from the person's other ratings, in the order they were given.

        Each is a reading of its own, so that the time grows with the square of the ratings.

        Args:
            ratings: see the class.
            most: of the ratings, the first so many; all when left out.
        """
        row = self._row(self.person(ratings))
        answer = []
        for column, stars in zip(row.items[:most].tolist(), row.stars[:most].tolist(), strict=True):
            raw = self._read(row.without(column)).reconstruct(np.array([column]))
            answer.append(Reconstructed(*self._facts(column), stars, float(self.scale.clip(raw)[0])))
        return tuple(answer)

    def compare(self, one: AnyRatings, other: AnyRatings, k: int = 10) -> Comparison:
        """How two people's tastes agree, and items for both.

        Args:
            one: see the class.
            other: likewise.
            k: items in each list.
        """
        _check_count("k", k)
        rows = [self._row(self.person(ratings)) for ratings in (one, other)]
        everything = np.arange(len(self.item_ids))
        predicted: FloatArray = np.array([self._closely(self._read(row), row, everything) for row in rows])
        anyone = self._read(_NOBODY).reconstruct(everything)
        beyond = (predicted - anyone)[:, self._well_known]
        spread = beyond.std(axis=1)
        agreement = float(np.corrcoef(*beyond)[0, 1]) if len(self._well_known) > 1 and (spread > 1e-9).all() else None
        _, mine, theirs = np.intersect1d(rows[0].items, rows[1].items, return_indices=True)
        distance = np.abs(rows[0].stars[mine] - rows[1].stars[theirs])
        left = np.ones(len(self.item_ids), dtype=bool)
        for row in rows:
            left[row.chosen] = False
        predicted = np.asarray(self.scale.clip(predicted))
        both = _largest(predicted.min(axis=0), k, left)
        known = np.zeros_like(left)
        known[self._well_known] = True
        apart = _largest(np.abs(predicted[0] - predicted[1]), k, left & known)

        def listed(columns: IntArray) -> tuple[ForTwo, ...]:
            return tuple(
                ForTwo(*self._facts(column), *predicted[:, column].tolist()) for column in columns
            )  # both people's stars

        return Comparison(
            agreement, len(mine), float(distance.mean()) if len(mine) else None, listed(both), listed(apart)
        )

    def groups(self, n: int = 9, size: int = 4) -> tuple[Group, ...]:
        """Groups of well known items that go together: somebody without ratings can say which they like.

        Args:
            n: groups.
            size: items in each.
        """
        _check_count("n", n)
        _check_count("size", size)
        known = self._well_known[:300]
        group = clusters(self._directions[known], n)
        answer = []
        for number in range(int(group.max()) + 1 if len(group) else 0):
            columns = known[group == number]
            kinds: dict[str, int] = {}
            for column in columns.tolist():
                for kind in self.items.genres_of(self.item_ids[column]):
                    if kind != "IMAX":  # a way to show films, not a kind of them
                        kinds[kind] = kinds.get(kind, 0) + 1
            common = sorted(kinds, key=lambda kind: (-kinds[kind] / self._genre_counts[kind] ** 0.5, kind))[:2]
            items = tuple(Item(*self._facts(column)) for column in columns[:size])
            answer.append(Group(number, ", ".join(common), items))
        return tuple(answer)

    def map(self, ratings: AnyRatings | None = None, n: int = 300) -> TasteMap:
        """Well known items in the two latent directions in which they differ most, and a person among them.

        Args:
            ratings: see the class; nobody is placed when left out.
            n: items.
        """
        _check_count("n", n)
        known = self._well_known[:n]
        if len(known) < 2:
            return TasteMap(())
        vectors = self._design[known, :-1]
        middle, axes = plane(vectors)
        spots = (vectors - middle) @ axes
        size = np.maximum(np.quantile(np.abs(spots), 0.98, axis=0), 1e-9)
        places = np.clip(spots / size, -1, 1)
        you = None
        if ratings is not None:
            row = self._row(self.person(ratings))
            if len(row.chosen):
                # a person lies where the items lie that they are expected to like beyond what anyone does
                reading = self._read(row).reconstruct(known)
                anyone = self._read(_NOBODY).reconstruct(known)
                beyond = reading - anyone
                weights = np.exp(2 * (beyond - beyond.max()) / max(float(beyond.std()), 1e-9))
                x, y = (weights / weights.sum()) @ places
                you = {"x": float(x), "y": float(y)}
        return TasteMap(
            tuple(
                Spot(*self._facts(column), float(x), float(y), self.items.genres_of(self.item_ids[column]))
                for column, (x, y) in zip(known.tolist(), places, strict=True)
            ),
            you,
        )

    @cached_property
    def _reader(self) -> PersonEncoder:
        if isinstance(self.model, TrainedAutorec) and self.model.settings.rows == "item":
            raise RecommenderError(
                "This autorec model reads items' columns (model.rows=item), with one input for each training user: it "
                "predicts for those and can read nobody's ratings. To recommend and explain, train the dual model, or "
                "an autorec with --set model.rows=user."
            )
        return self.model.person_encoder()

    @cached_property
    def _directions(self) -> npt.NDArray[np.float32]:
        """Of the items' latent vectors."""
        return directions(self.model.items.latent)

    @cached_property
    def _design(self) -> npt.NDArray[np.float64]:
        """Factors of the items, and a 1 for a person's bias."""
        factors = self.model.items.factors[:-1].astype(np.float64)
        return np.concatenate([factors, np.ones((len(factors), 1))], axis=1)

    @cached_property
    def _covariance(self) -> npt.NDArray[np.float64]:
        """Of the training users' factors and offsets."""
        users = np.concatenate([self.model.users.factors, self.model.users.offset[:, None]], axis=1)[:-1]
        return np.asarray(np.cov(users, rowvar=False).reshape(users.shape[1], -1), dtype=np.float64)

    @cached_property
    def _noise(self) -> float:
        """Variance of a rating about its prediction, squared rating points."""
        figures = self.metadata.get("validation") or {}
        error = figures.get("model", {}).get("rmse")
        return float(error) ** 2 if error else (self.scale.span / 5) ** 2

    @cached_property
    def _well_known(self) -> IntArray:
        """Columns of the most rated items, most rated first."""
        return np.argsort(-self.item_counts, kind="stable")[:_WELL_KNOWN]

    @cached_property
    def _genres(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Which items have each genre; by its name in small letters."""
        table: dict[str, npt.NDArray[np.bool_]] = {}
        for column, kinds in enumerate(self.items.genres.tolist()):
            for kind in filter(None, kinds.split("|")):
                table.setdefault(kind.lower(), np.zeros(len(self.item_ids), dtype=bool))[column] = True
        return table

    @cached_property
    def _genre_counts(self) -> dict[str, int]:
        names = {kind for kinds in self.items.genres.tolist() for kind in kinds.split("|") if kind}
        return {name: int(self._genres[name.lower()].sum()) for name in sorted(names)}

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres that items have, by name."""
        return tuple(self._genre_counts)

    def _column(self, item: Any) -> int:
        """Column of one item by id or title."""
        column = self._place.get(item, -1)
        if column < 0 and isinstance(item, str):
            match = self.titles.match(*split_year(item))
            if match.candidates:
                some = "; ".join(self._label(one) for one in match.candidates[:5])
                raise RecommenderError(f"Which {item!r} is meant: {some}? Write the title with its year, or the id.")
            column = match.row
        if column < 0:
            raise RecommenderError(
                f"The model does not know {item!r}: give an id or a title from its {len(self.item_ids):,} items, such "
                f"as {self._label(int(self._well_known[0]))!r}."
            )
        return column

    @cached_property
    def _place(self) -> dict[Any, int]:
        """Column of each item's id, as it is and as text: for a handful of items faster than `locate_items`."""
        places: dict[Any, int] = {}
        for column, item in enumerate(self.item_ids.tolist()):
            places[item] = places[str(item)] = column
        return places

    def _found(self, items: Iterable[Any]) -> tuple[IntArray, int]:
        """Columns of items by id or title, and how many are not known."""
        columns, unknown = [], 0
        for item in items:
            column = self._certain(item)
            if column < 0:
                unknown += 1
            else:
                columns.append(column)
        return np.array(columns, dtype=np.int64), unknown

    def _columns(self, items: Iterable[Any]) -> IntArray:
        """Columns of items by id; unknown ones are left out."""
        place = self._place
        return np.array([place[item] for item in items if item in place], dtype=np.int64)

    def _label(self, column: int) -> str:
        if column not in self._labels:
            self._labels[column] = Item(*self._facts(column)).label
        return self._labels[column]

    @cached_property
    def _labels(self) -> dict[int, str]:
        """Of the columns that were named so far."""
        return {}

    def _facts(self, column: Any) -> tuple[Any, str, int | None]:
        """Id, title and year of a column."""
        return self._film_facts[int(column)]

    @cached_property
    def _film_facts(self) -> list[tuple[Any, str, int | None]]:
        years = (year if year >= 0 else None for year in self.items.years.tolist())
        return list(zip(self.item_ids.tolist(), self.items.titles.tolist(), years, strict=True))

    def _row(self, person: Person) -> _Row:
        place, ids = self._place, person.item_ids.tolist()
        known = [number for number, item in enumerate(ids) if item in place]
        items = np.array([place[ids[number]] for number in known], dtype=np.int64)
        stars = np.asarray(person.stars, dtype=np.float64)[known] if known else np.empty(0)
        if not len(person.liked) + len(person.seen):
            return _Row(items, stars, _NOTHING, _NOTHING)
        liked = np.setdiff1d(self._columns(person.liked.tolist()), items)
        seen = np.setdiff1d(self._columns(person.seen.tolist()), np.concatenate([items, liked]))
        return _Row(items, stars, liked, seen)

    @property
    def _biases(self) -> DampedBias:
        biases = self.baselines["damped_bias"]
        if not isinstance(biases, DampedBias):
            raise TypeError(f"The bundle's damped_bias is a {type(biases).__name__}.")
        return biases

    def _read(self, row: _Row) -> EncodedPerson:
        items, stars = row.items, row.stars
        if len(row.liked):  # what a heart stands for depends on all else that was said, so it is worked out here
            hearts = imputed_hearts(self._biases, items, stars, row.liked)
            items, stars = np.concatenate([items, row.liked]), np.concatenate([stars, hearts])
        return self._reader.read(items, stars, row.seen if len(row.seen) else None)

    @staticmethod
    def _closely(reading: EncodedPerson, row: _Row, columns: IntArray) -> FloatArray:
        """The reconstruction at any number of columns, some at a time: each is compared with all of the person's."""
        step = max(1, _NUMBERS // max(len(row.items) + len(row.liked), 1))
        parts = [reading.reconstruct(columns[start : start + step]) for start in range(0, len(columns), step)]
        return np.concatenate([np.empty(0), *parts])

    def _ratings(self, row: _Row) -> Ratings:
        """The stars that a person really gave, in the columns of the model."""
        order = np.argsort(row.items)
        return Ratings(
            np.zeros(len(order), dtype=np.int32),
            row.items[order].astype(np.int32),
            row.stars[order].astype(np.float32),
            np.zeros(1, dtype=np.int64),
            self.item_ids,
            self.scale,
        )

    def _without(self, row: _Row, column: int, asked: IntArray) -> float:
        """The raw reconstruction when what was said of one item is left out and the rest is encoded again."""
        return float(self._read(row.without(column)).reconstruct(asked)[0])

    def _eligible(self, genres: Collection[str], years: Years, only: IntArray | None) -> npt.NDArray[np.bool_]:
        wanted = np.full(len(self.item_ids), only is None)
        if only is not None:
            wanted[only] = True
        if isinstance(genres, str):
            raise RecommenderError(f"genres are a list of names, such as [{genres!r}]. Received: {genres!r}.")
        if genres:
            some = np.zeros(len(self.item_ids), dtype=bool)
            for genre in genres:
                if genre.lower() not in self._genres:
                    raise RecommenderError(
                        f"No item has the genre {genre!r}. Known genres: {', '.join(self.genres) or 'none'}."
                    )
                some |= self._genres[genre.lower()]
            wanted &= some
        first, last = years
        if first is not None and last is not None and first > last:
            raise RecommenderError(f"The first year must not be later than the last. Received: {first} to {last}.")
        if first is not None:
            wanted &= self.items.years >= first
        if last is not None:
            wanted &= (self.items.years <= last) & (self.items.years >= 0)
        return wanted

    def _swayed(self, candidates: IntArray, stars: FloatArray, k: int, popularity: float) -> IntArray:
        """Places of the best ``k`` candidates, best first."""
        if not popularity or not len(candidates):
            return np.argsort(-stars, kind="stable")[:k]
        clipped, sway = self.scale.clip(stars), _SWAY * one_point(self.scale)
        least = np.sort(clipped)[-min(k, len(clipped))] - sway
        fits = np.flatnonzero(clipped >= least)
        known = np.log1p(self.item_counts[candidates[fits]])
        spread = float(np.ptp(known)) or 1.0
        score = clipped[fits] / sway * (1 - abs(popularity)) + 2 * popularity * (known - known.min()) / spread
        return fits[np.lexsort((-stars[fits], -score))[:k]]

    def _recommendations(
        self, row: _Row, reading: EncodedPerson, columns: IntArray, raw: FloatArray
    ) -> tuple[Recommendation, ...]:
        if not len(columns):
            return ()
        stars = self.scale.clip(raw)
        low, high, likes = self._certainty(row, stars, columns)
        reasons = self._reasons(row, reading.shares(columns), len(columns))
        rows = zip(columns.tolist(), stars.tolist(), low, high, likes, reasons, strict=True)
        return tuple(
            Recommendation(*self._facts(column), rank, predicted, lower, upper, like, why)
            for rank, (column, predicted, lower, upper, like, why) in enumerate(rows, start=1)
        )

    def _reasons(self, row: _Row, shares: Shares | None, count: int) -> list[str]:
        """One line for each item, from its largest shares."""
        if not len(row.chosen):
            return ["most people like it"] * count
        if shares is None:
            return ["it fits the taste that your ratings show"] * count
        total = np.add(*_both(shares))
        chosen, given = row.chosen.tolist(), row.given
        least = _NOTABLE * self.scale.span
        order = np.argsort(-total, axis=0, kind="stable")[:3]
        lines = []
        for item in range(count):
            places = [place for place in order[:, item].tolist() if total[place, item] > least][:2]
            gave = [f"{self._label(chosen[place])} {given[place]:g}" for place in places if given[place] is not None]
            chose = [self._label(chosen[place]) for place in places if given[place] is None]
            parts = [f"you {verb} {' and '.join(some)}" for verb, some in (("gave", gave), ("chose", chose)) if some]
            lines.append(f"because {' and '.join(parts)}" if parts else "most people like it")
        return lines

    def _distribution(self, row: _Row, stars: FloatArray, columns: IntArray) -> StarDistribution | None:
        if self.star_model is None:
            return None
        histograms = self.star_model.fold_in(self._ratings(row))
        return self.star_model.distribution(
            stars, np.zeros(len(columns), dtype=np.int64), columns, histograms=histograms
        )

    def _certainty(
        self, row: _Row, stars: FloatArray, columns: IntArray
    ) -> tuple[Sequence[float | None], Sequence[float | None], Sequence[float | None]]:
        """Ends of the 90 % intervals, and chances of liking."""
        distribution = self._distribution(row, stars, columns)
        if distribution is None:
            nothing = [None] * len(columns)
            return nothing, nothing, nothing
        low, high = distribution.interval(0.9)
        return low.tolist(), high.tolist(), distribution.like_probability().tolist()

    def _notes(self, person: Person, unknown: int) -> tuple[str, ...]:
        """What somebody should know of an answer; ``unknown`` of the films to leave out or choose from are not here."""
        notes = list(person.notes)
        known = len(person.item_ids) + len(person.liked) + len(person.seen)
        if not known:
            notes.append("No rating to go by: these are films that most people like. A few stars change that at once.")
        others = [*(one.entry.kind for one in person.ambiguous), *(one.kind for one in person.unmatched)]
        asked = known + sum(kind != "watchlist" for kind in others)
        if asked > known or self.last_year is not None and known:
            ends = "" if self.last_year is None else f"; the catalogue ends in {self.last_year}"
            notes.append(f"We know {known:,} of your {asked:,} films{ends}.")
        if asked >= 10 and known < 0.7 * asked:
            notes.append(
                "A newer and larger data set knows more of them: python train.py --data ml-32m --speed fast downloads "
                "MovieLens 32M and trains on it."
            )
        if unknown:
            notes.append(f"{unknown:,} of the films to leave out or to choose from are not known here.")
        return tuple(notes)

    @cached_property
    def last_year(self) -> int | None:
        """Year of the newest item; None where no year is known."""
        years = self.items.years
        return int(years.max()) if len(years) and years.max() > 0 else None


_NOTHING = np.empty(0, dtype=np.int64)
_NOBODY = _Row(_NOTHING, np.empty(0), _NOTHING, _NOTHING)
_NUMBERS = 1 << 22  # likenesses held at a time


def _check_count(name: str, value: int) -> None:
    if value < 1:
        raise RecommenderError(f"{name} must be at least 1. Received: {value}.")


@cache
def _libraries() -> ThreadpoolController:
    """The numerical libraries with threads of their own."""
    return ThreadpoolController()


def _one_thread() -> AbstractContextManager[Any]:
    """One person's arrays are small: more threads save microseconds, and wait for milliseconds on a busy machine."""
    manager: AbstractContextManager[Any] = _libraries().limit(limits=1)
    return manager


def _both(shares: Shares) -> tuple[FloatArray, FloatArray]:
    """Shares of stars and of choosing, both for rated items first and then seen ones, shape ``(n + num_seen, m)``."""
    by_star = np.zeros_like(shares.marks)
    by_star[: len(shares.stars)] = shares.stars
    return by_star, shares.marks


def _largest(values: FloatArray, k: int, among: npt.NDArray[np.bool_]) -> IntArray:
    """The columns among some with the largest values, largest first."""
    some = np.where(among, values, -np.inf)
    count = min(k, int(np.count_nonzero(among)))
    best = np.argpartition(some, len(some) - count)[len(some) - count :] if count else _NOTHING
    return best[np.argsort(-some[best], kind="stable")]
