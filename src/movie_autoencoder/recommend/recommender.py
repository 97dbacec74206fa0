"""Recommender: a trained model in use, without TensorFlow.

It takes anyone's ratings and returns predictions, recommendations and reasons (`schemas`). It only composes what the
other modules of this package do: a person's input becomes a `Profile`, the `Predictor` predicts, `ranking`, `explain`,
`explore` and `compare` answer. The module is long because every public method is documented here.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bundle.bundle import Bundle, load_bundle
from ..choice import RankBy, Selection
from ..data.catalogue import Catalogue
from ..data.matching.person import Person
from ..data.matching.title_index import TitleIndex
from ..data.ratings import FloatArray, Ids, IntArray, Ratings, Scale
from ..models.base import Encoded, TrainedModel, in_vocabulary
from ..uncertainty import StarDistribution, StarModel
from .batch import Best, best_of_blocks
from .compare import compare
from .errors import RecommenderError, check_count
from .explain import explain, reconstruct_each
from .explore import Explorer
from .filters import Filters, Years, eligible
from .items import Items
from .ordering import USUAL_DIVERSITY, Order, check_rank_by
from .predictor import Predictor
from .profile import AnyRatings, Profile, chosen_if_listed, read_person, training_person
from .ranking import ListMaker
from .schemas import (
    Comparison,
    Explanation,
    FoundItem,
    Group,
    Item,
    Prediction,
    Recommendations,
    Reconstructed,
    Similar,
    Suggestion,
    TasteMap,
)

__all__ = ("AnyRatings", "Recommender", "RecommenderError", "Years")


class Recommender:
    """A run's bundle in use.

    Wherever a method takes somebody's ratings, these are a mapping from item ids or titles to ratings, a file
    (`read_personal` lists the formats), a `PersonalFile`, `Ratings` of one user, or a `Person`.

    Args:
        bundle: what `train` saved.

    Example:
        ``Recommender.load("runs/latest").recommend({"Alien (1979)": 4.5, "Heat (1995)": 3}, k=10)``
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.name: str = bundle.model.name
        self.model: TrainedModel = bundle.model
        self.user_ids: Ids = bundle.user_ids
        self.item_ids: Ids = bundle.item_ids
        self.user_counts: IntArray = bundle.user_counts
        self.item_counts: IntArray = bundle.item_counts
        self.ratings: Ratings | None = bundle.ratings
        self.catalogue: Catalogue = bundle.catalogue
        self.star_model: StarModel | None = bundle.star_model
        self.metadata: Mapping[str, Any] = bundle.metadata
        self._items = Items(bundle.item_ids, bundle.catalogue, bundle.item_counts)
        self._predictor = Predictor(bundle)
        self._lists = ListMaker(bundle, self._items, self._predictor)

    @classmethod
    def load(cls, run: str | os.PathLike[str]) -> Recommender:
        """Loads the bundle of a run's folder.

        Raises:
            BundleError: no bundle there, or a damaged one; the message names the file.
        """
        return cls(load_bundle(Path(run) / "bundle"))

    @property
    def keras_model(self) -> Any:
        """The Keras network with the model's weights (docs/keras.md); TensorFlow is loaded now.

        Raises:
            ModelError: the model was not trained with Keras.
        """
        return self.model.keras_model()

    @property
    def scale(self) -> Scale:
        """The scale of the predictions."""
        return self.model.scale

    @property
    def items(self) -> Catalogue:
        """Titles, years and genres, a row for each column of the model."""
        return self._items.catalogue

    @property
    def titles(self) -> TitleIndex:
        """Finds items by title."""
        return self._items.titles

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres that items have, by name."""
        return tuple(self._items.genre_counts)

    @property
    def last_year(self) -> int | None:
        """Year of the newest item; None where no year is known."""
        return self._items.last_year

    def locate_users(self, user_ids: npt.ArrayLike) -> npt.NDArray[Any]:
        """Row of each training user, -1 where the id is unknown."""
        return self.bundle.locate_users(user_ids)

    def locate_items(self, item_ids: npt.ArrayLike) -> npt.NDArray[Any]:
        """Column of each training item, -1 where the id is unknown."""
        return self.bundle.locate_items(item_ids)

    def item(self, item_id: Any) -> Item:
        """An item as answers show it, by id or title.

        Raises:
            RecommenderError: the model does not know the item.
        """
        return self._items.item(self._items.require(item_id))

    def search(self, query: str, limit: int = 10) -> tuple[FoundItem, ...]:
        """Items whose titles match part of a title, best match first."""
        columns = self.titles.search(query, limit) if query.strip() else []
        return tuple(
            FoundItem(*self._items.fields(one), self._items.genres(one), int(self.item_counts[one])) for one in columns
        )

    def encode(self, ratings: Ratings) -> Encoded:
        """Encodes people from their ratings, by item id; latent vectors have shape ``(num_users, latent_dim)``.

        Ratings of items that are not in the training data are left out.

        Raises:
            RecommenderError: ratings outside the scale that the model was trained on, or ids of another kind; or a
                model that encodes its training users alone.
        """
        known = self._known(ratings)
        try:
            return self.model.fold_in(known)
        except ValueError as error:
            raise RecommenderError(str(error)) from error

    def _known(self, ratings: Ratings) -> Ratings:
        """The ratings of items that the model knows, in its columns."""
        ratings = ratings if self.scale.rated else ratings.pairs()
        if not self.scale.contains(ratings.values).all():
            raise RecommenderError(
                f"These ratings lie on the scale {ratings.scale}, and the model on {self.scale}. Map them first: "
                "ratings.scale.convert(ratings.values, recommender.scale)."
            )
        try:
            return in_vocabulary(ratings, self.item_ids)
        except ValueError as error:
            raise RecommenderError(str(error)) from error

    def predict(
        self,
        user_ids: npt.ArrayLike,
        item_ids: npt.ArrayLike,
        *,
        times: npt.ArrayLike | None = None,
        selection: Selection = "chosen",
    ) -> FloatArray:
        """Predictions for pairs of ids, on the scale, shape ``(n,)``; an unknown id gets the prediction for anyone.

        Args:
            user_ids: shape ``(n,)``.
            item_ids: shape ``(n,)``.
            times: when each rating is given, seconds since 1970; read by a model trained with ``model.time_aware``.
            selection: ``chosen``: ratings of people who choose the item, as in the training data; ``random``: of people
                whom it is put before, whether they would choose it or not (docs/models.md, section 8).

        Raises:
            RecommenderError: another ``selection``, or ``random`` without a validation part in training.
        """
        when = None if times is None else np.asarray(times)
        users, items = self.locate_users(user_ids), self.locate_items(item_ids)
        return self._predictor.correct(self.model.reconstruct(users, items, times=when), items, selection)

    def predict_distribution(
        self,
        user_ids: npt.ArrayLike,
        item_ids: npt.ArrayLike,
        *,
        times: npt.ArrayLike | None = None,
        selection: Selection = "chosen",
    ) -> StarDistribution:
        """How likely each star value is for pairs of ids: probabilities, mean, interval, chance of liking.

        Arguments as for `predict`. Distributions for random items are those of chosen ones with such a prediction.

        Raises:
            RecommenderError: the model was trained without a validation part, which distributions are fitted on.

        Example:
            ``recommender.predict_distribution([1], [318]).like_probability()`` is the chance of 4 stars or more.
        """
        if self.star_model is None:
            raise RecommenderError(
                "This model has no distributions: they are learnt on the validation part, and it was trained without "
                "one. Train with a --validation-fraction above 0."
            )
        users, items = self.locate_users(user_ids), self.locate_items(item_ids)
        predictions = self.predict(user_ids, item_ids, times=times, selection=selection)
        return self.star_model.distribution(predictions, users, items)

    def person(self, ratings: AnyRatings, *, liked: Iterable[Any] = (), seen: Iterable[Any] = ()) -> Person:
        """Anyone's ratings, matched with the items of this model.

        Args:
            ratings: see the class.
            liked: ids or titles of further items with a heart and no rating.
            seen: ids or titles of further items that were watched and nothing else.

        Raises:
            SourceError: a file that cannot be read.
            RecommenderError: ratings outside the scale, or `Ratings` of more than one user.
        """
        if self.scale.rated:
            return read_person(ratings, self._items, self.scale, liked=liked, seen=seen)
        # where stars are given, only that they are counts
        return chosen_if_listed(read_person(ratings, self._items, Scale(0.5, 5, 0.5), liked=liked, seen=seen))

    def training_person(self, user_id: object) -> Person:
        """A training user's own training ratings.

        Raises:
            RecommenderError: there is no such user, or the bundle was saved without ratings.
        """
        return training_person(self.bundle, self._items, user_id)

    def recommend(
        self,
        ratings: AnyRatings,
        k: int = 20,
        *,
        rank_by: RankBy = "balanced",
        genres: Collection[str] = (),
        years: Years = (None, None),
        popularity: float = 0.0,
        diversity: float = USUAL_DIVERSITY,
        exclude: Iterable[Any] = (),
        only: Iterable[Any] | None = None,
    ) -> Recommendations:
        """The best items for a person, among those that they have not seen.

        Args:
            ratings: see the class.
            k: how many; fewer where fewer are left.
            rank_by: ``balanced``: by the expected value of choosing and liking an item; ``choice``: by the chance of
                choosing it; ``rating``: by the predicted rating. A bundle without a choice model, of an earlier
                version, ranks by rating, and a note says so.
            genres: at least one of these, in any case of letters; all when left out.
            years: first and last year of release; None is open.
            popularity: from -1, little known items first, to 1, well known ones; 0 changes nothing. It is added to
                what the list is ordered by, times the logarithm of an item's number of ratings, or of 5 where it has
                fewer: hidden gems are items that several people liked and few chose.
            diversity: from 0, off, to 1: how much near-duplicates avoid each other, and how much genres and decades
                follow their proportions among the person's items.
            exclude: ids or titles of items to leave out.
            only: ids or titles of the only items to choose from, such as a watchlist.

        Raises:
            RecommenderError: ``k`` below 1, a popularity outside -1 to 1, or a genre that no item has.

        Example:
            ``recommender.recommend({"Alien (1979)": 5}, k=5, genres=["Sci-Fi"], years=(1990, None)).items[0].why``
        """
        check_count("k", k)
        order, filters = Order(rank_by, popularity, diversity), Filters(genres, years, exclude, only)
        return self._lists.recommend(self.person(ratings), k, filters, order)

    def rank_by(self, wanted: RankBy) -> RankBy:
        """The order that the model can give: by rating where its bundle has no choice model."""
        return self._lists.rank_by(wanted)

    def recommend_many(self, ratings: Ratings, k: int = 10, *, rank_by: RankBy = "balanced") -> tuple[Ids, FloatArray]:
        """The best items for each of many people, among those that they have not rated.

        Args:
            ratings: of anyone, by item id.
            k: how many for each.
            rank_by: as for `recommend`; popularity and diversity do not count here.

        Returns:
            Item ids and what they are ordered by, both of shape ``(num_users, k)``, best first; values are NaN (and the
            ids any) where fewer than ``k`` items are left. By rating, they are predictions on the scale.
        """
        best = list(self.recommend_all(ratings, k, rank_by=rank_by))
        columns, values = (np.concatenate([getattr(one, name) for one in best]) for name in ("columns", "values"))
        return self.item_ids[columns], self.scale.clip(values) if self.rank_by(rank_by) == "rating" else values

    def recommend_all(self, ratings: Ratings, k: int = 10, *, rank_by: RankBy = "balanced") -> Iterator[Best]:
        """`recommend_many` in blocks of people, in order, for lists that would not fit in memory.

        Arguments as for `recommend_many`.

        Yields:
            Lists of some people: columns of items, values, predictions and chances of choosing.
        """
        check_count("k", k)
        check_rank_by(rank_by)
        known = self._known(ratings)
        return best_of_blocks(self.model, self.bundle.choice, known, k, self.rank_by(rank_by))

    def predict_person(
        self, ratings: AnyRatings, item_ids: npt.ArrayLike, *, selection: Selection = "chosen"
    ) -> tuple[FloatArray, StarDistribution | None]:
        """A person's predictions at items, shape ``(n,)``, and how likely each star value is.

        An unknown item gets the prediction for any unknown one. A rating of an item that is asked for is not left out:
        see `explain` and `reconstruction` for that. ``selection`` as in `predict`.
        """
        profile, columns = self._profile(self.person(ratings)), self.locate_items(item_ids)
        predictions = self._predictor.predict(profile, columns, selection)
        return predictions, self._predictor.distribution(profile, predictions, columns)

    def predict_items(
        self, ratings: AnyRatings, item_ids: Iterable[Any], *, selection: Selection = "chosen"
    ) -> tuple[Prediction, ...]:
        """A person's predictions at items that the model knows, by id, with intervals; unknown items are left out.

        ``selection`` as in `predict`.
        """
        profile, columns = self._profile(self.person(ratings)), self._items.columns(item_ids)
        predictions = self._predictor.predict(profile, columns, selection)
        rows = zip(
            columns, predictions.tolist(), *self._predictor.intervals(profile, predictions, columns), strict=True
        )
        return tuple(Prediction(*self._items.fields(column), *prediction) for column, *prediction in rows)

    def explain(self, ratings: AnyRatings, item_id: Any, *, top: int = 10) -> Explanation:
        """The reasons for a prediction: what each rating adds, and what changes without it.

        These are two figures: the *shares* and the base add up to the reconstruction; *without* is the reconstruction
        when a rating is left out and everything else is encoded again. A rating of the item itself is left out of both.

        Args:
            ratings: see the class.
            item_id: an id or a title.
            top: how many of the ratings are named, those with the largest shares.

        Raises:
            RecommenderError: the model does not know the item.

        Example:
            ``recommender.explain({"Alien (1979)": 5, "Heat (1995)": 3}, "Aliens (1986)").shares[0]``
        """
        check_count("top", top)
        profile = self._profile(self.person(ratings))
        return explain(self._predictor, self._items, profile, self._items.require(item_id), top)

    def reconstruction(self, ratings: AnyRatings, most: int | None = None) -> tuple[Reconstructed, ...]:
        """Each rating beside its prediction from the person's other ratings, in the order they were given.

        The person is encoded once for each rating, so that the time grows with the square of their number.

        Args:
            ratings: see the class.
            most: how many of the ratings, from the first on; all when left out.
        """
        return reconstruct_each(self._predictor, self._items, self._profile(self.person(ratings)), most)

    def similar(
        self, item_id: Any, k: int = 20, *, genres: Collection[str] = (), years: Years = (None, None)
    ) -> tuple[Similar, ...]:
        """Items whose latent vectors point the same way: the same people like, or dislike, them.

        Args:
            item_id: an id or a title.
            k: how many.
            genres: as for `recommend`.
            years: as for `recommend`.

        Raises:
            RecommenderError: the model does not know the item.
        """
        check_count("k", k)
        column = self._items.require(item_id)
        allowed = eligible(self._items, genres, years)
        allowed[column] = False
        return self._explorer.similar(column, k, allowed)

    def next_to_rate(
        self, ratings: AnyRatings, k: int = 10, *, among: Iterable[Any] | None = None, known: bool = False
    ) -> tuple[Suggestion, ...]:
        """Items whose rating would teach the model most about a person, among those that they may well know.

        The value of an item is the chance that somebody knows it (the fraction of users who rated it) times how much
        its rating reduces the variance of all predictions (`explore.information`). Each item is chosen given those
        before it.

        Args:
            ratings: see the class.
            k: how many.
            among: ids of the items to choose from; the well known ones when left out.
            known: whether the person knows them all, so that the chance does not count.
        """
        check_count("k", k)
        return self._explorer.next_to_rate(self._profile(self.person(ratings)), k, among=among, known=known)

    def compare(self, one: AnyRatings, other: AnyRatings, k: int = 10) -> Comparison:
        """How two people's tastes agree, and items for both.

        Args:
            one: see the class.
            other: see the class.
            k: items in each list.
        """
        check_count("k", k)
        first, second = (self._profile(self.person(ratings)) for ratings in (one, other))
        return compare(self._predictor, self._items, first, second, k)

    def groups(self, n: int = 9, size: int = 4) -> tuple[Group, ...]:
        """Groups of well known items that the same people like: somebody without ratings can choose among them.

        Args:
            n: groups.
            size: items in each.
        """
        check_count("n", n)
        check_count("size", size)
        return self._explorer.groups(n, size)

    def map(self, ratings: AnyRatings | None = None, n: int = 300) -> TasteMap:
        """Well known items in the two latent directions in which they differ most, and a person among them.

        Args:
            ratings: see the class; nobody is on the map when left out.
            n: items.
        """
        check_count("n", n)
        return self._explorer.map(None if ratings is None else self._profile(self.person(ratings)), n)

    def _profile(self, person: Person) -> Profile:
        return Profile.of(person, self._items)

    @cached_property
    def _explorer(self) -> Explorer:
        return Explorer(self.bundle, self._items, self._predictor)
