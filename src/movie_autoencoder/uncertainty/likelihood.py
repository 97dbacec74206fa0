"""The likelihood of a rating: a distribution over the star values, and the fit of its 34 parameters.

With m the prediction for user u and item i, the probability of star value s is, up to a constant factor,

    h_u(s)^a * h_i(s)^b * h(s)^c * (h_ui(s) / h_u(s))^d * t((s - m') / sigma)

    h_u, h_i, h   smoothed relative frequencies of s in the ratings of the user, of the item, and in all of them
    h_ui          those of the user again, each rating weighted by the similarity of its item to i
    t             density of Student's t distribution
    m'            m plus a linear function of m and the mean ratings of user and item
    log sigma     linear in the log numbers of ratings, the log noises, m and m squared

A person with few ratings has a histogram that says little, and a prediction close to the mean. So m', log sigma and
the exponents a to d change with the number n of the user's ratings: each coefficient is theta + exp(-n / 10) * delta.

The parameters maximize the likelihood of validation ratings, whose predictions come from a model that was not trained
on them: first theta, then delta on ratings of people who were folded in from their first few ratings as well. For
people with many ratings, the second step changes nothing. A quadratic penalty holds all but the two constants near
values that suit several data sets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .features import Features
from .intervals import Floats

FOR_FEW = np.r_[4:8, 15:22, 26:30]
"""Index of the parameters that say what is added for users with few ratings."""

FOR_ALL = np.setdiff1d(np.arange(34), FOR_FEW)
"""Index of the others."""

_NUM_OLDER = 19  # parameters of bundles without `FOR_FEW`
_PENALTY = 16.0  # on half the squared distance of a parameter from where it starts, in log likelihood


@dataclass(frozen=True, eq=False)
class Parameters:
    """The parameters of the likelihood, or one number for each of them, such as a derivative.

    Each group may have leading dimensions, such as one row a rating.

    Args:
        location: of m' - m: constant, slopes on the prediction, the user's mean and the item's mean; then what is
            added to each for a user without ratings, ``(..., 8)``.
        log_sigma: of log sigma: constant, slopes on the log numbers of ratings of user and item, on their log noises,
            on the prediction and its square; then what is added, ``(..., 14)``.
        exponents: a, b, c and d: of the frequencies of the user, the item, all, and the user's at similar items
            relative to all of the user's; then what is added, ``(..., 8)``.
        log_positive: logs of the smoothing of user and of item (in ratings), of Student's degrees of freedom, and of
            the weight (in ratings) of h_u in h_ui, ``(..., 4)``.
    """

    location: Floats
    log_sigma: Floats
    exponents: Floats
    log_positive: Floats

    def pack(self) -> Floats:
        """All groups in one array, shape ``(..., 34)``."""
        return np.concatenate([self.location, self.log_sigma, self.exponents, self.log_positive], axis=-1)

    @classmethod
    def unpack(cls, vector: Floats) -> Parameters:
        """The groups of an array that `pack` made.

        An array of 19 comes from an older version, which had nothing to add for users with few ratings.

        Example:
            >>> Parameters.unpack(np.arange(34.0)).exponents
            array([22., 23., 24., 25., 26., 27., 28., 29.])
        """
        if vector.shape[-1] == _NUM_OLDER:
            padded = np.zeros((*vector.shape[:-1], 34))
            padded[..., FOR_ALL] = vector
            vector = padded
        return cls(vector[..., :8], vector[..., 8:22], vector[..., 22:30], vector[..., 30:])


START = Parameters(
    location=np.array([0.0, 1.9, -1.8, -0.5, 0.2, 0.5, 0.4, 0.1]),
    log_sigma=np.array([0.5, 0.0, 0.0, 0.45, 0.2, 0.0, 0.0, *[0.0] * 7]),
    exponents=np.array([0.9, 0.8, -0.8, 0.6, -0.3, 0.4, -0.1, 0.0]),
    log_positive=np.log([5.0, 150.0, 25.0, 3.0]),
)
"""Where the fit starts and what the penalty draws the parameters to: about what several data sets want."""

_PENALTIES = Parameters(
    location=np.array([0.0, *[_PENALTY] * 7]),
    log_sigma=np.array([0.0, *[_PENALTY] * 13]),
    exponents=np.full(8, _PENALTY),
    log_positive=np.full(4, _PENALTY),
).pack()


def predict_probabilities(features: Features, parameters: Parameters) -> Floats:
    """Probability of each star value, shape ``(n, num_values)``; every row sums to 1."""
    return _softmax(_forward(features, parameters).logits)


def penalized_loss(
    parameters: Floats, features: Features, observed: npt.NDArray[np.int64]
) -> tuple[float, Floats, Floats]:
    """Minus the log likelihood of what was observed, plus the penalty.

    Args:
        parameters: packed, shape ``(34,)``.
        features: of the rated pairs.
        observed: index of the star value of each rating, shape ``(n,)``.

    Returns:
        The loss, its gradient, shape ``(34,)``, and the gradient of each rating's log likelihood, shape ``(n, 34)``.
    """
    groups = Parameters.unpack(parameters)
    forward = _forward(features, groups)
    probabilities, rows = _softmax(forward.logits), np.arange(len(observed))
    away = parameters - START.pack()
    pull = _PENALTIES * away
    loss = -float(np.log(np.maximum(probabilities[rows, observed], 1e-300)).sum()) + float(pull @ away) / 2
    errors = -probabilities  # derivative by the logits: 1 at what was observed, minus the probabilities
    errors[rows, observed] += 1.0
    gradients = _gradients(features, groups, forward, errors).pack()
    return loss, pull - gradients.sum(axis=0), gradients


def fit_parameters(
    features: Features,
    observed: npt.NDArray[np.int64],
    start: Parameters = START,
    *,
    free: npt.NDArray[np.int64] = FOR_ALL,
) -> Parameters:
    """Parameters of penalized maximum likelihood, by L-BFGS.

    Args:
        features: of the rated pairs.
        observed: index of the star value of each rating, shape ``(n,)``.
        start: where the search starts.
        free: index of the parameters to fit, `FOR_ALL` or `FOR_FEW`; the others stay.
    """
    from scipy.linalg import cholesky, solve_triangular
    from scipy.optimize import minimize

    first = start.pack()
    # products of the gradients estimate the curvature; along its axes the search takes few steps
    gradients = penalized_loss(first, features, observed)[2][:, free]
    axes = cholesky(gradients.T @ gradients + _PENALTY * np.eye(len(free)))
    scaled = np.asarray(solve_triangular(axes, np.eye(len(free))))

    def moved(steps: Floats) -> Floats:
        here = first.copy()
        here[free] += scaled @ steps
        return here

    def loss(steps: Floats) -> tuple[float, Floats]:
        value, gradient, _ = penalized_loss(moved(steps), features, observed)
        return value, scaled.T @ gradient[free]

    found = minimize(loss, np.zeros(len(free)), jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-8})
    return Parameters.unpack(moved(np.asarray(found.x)))


@dataclass(frozen=True, eq=False)
class _Forward:
    """Log probabilities up to a constant a row, and the quantities that their derivatives share.

    Args:
        logits: shape ``(n, num_values)``, as are all below unless it says otherwise.
        distance: of each value from the location, in units of sigma.
        sigma: shape ``(n,)``.
        ratio: of the squared distance to Student's degrees of freedom.
        tails: log of 1 + ``ratio``.
        logs: of the four frequencies, in the order of the exponents.
        smoothed: counts of user and item with their smoothing.
        mixed: similar counts with their smoothing.
        total: sum of ``mixed`` over the values, shape ``(n, 1)``.
    """

    logits: Floats
    distance: Floats
    sigma: Floats
    ratio: Floats
    tails: Floats
    logs: tuple[Floats, Floats, Floats, Floats]
    smoothed: tuple[Floats, Floats]
    mixed: Floats
    total: Floats


def _forward(features: Features, parameters: Parameters) -> _Forward:
    smoothing_users, smoothing_items, degrees, weight = np.exp(parameters.log_positive)
    location = features.predictions + features.location_regressors @ parameters.location
    sigma = np.exp(features.sigma_regressors @ parameters.log_sigma)
    distance = (features.values - location[:, None]) / sigma[:, None]
    smoothed = (
        features.user_counts + smoothing_users * features.frequencies,
        features.item_counts + smoothing_items * features.frequencies,
    )
    mixed = features.similar_counts + weight * features.user_frequencies
    total = features.similar_counts.sum(axis=1, keepdims=True) + weight
    logs = (
        np.log(smoothed[0]),
        np.log(smoothed[1]),
        np.broadcast_to(np.log(features.frequencies), distance.shape),
        np.log(mixed / (total * features.user_frequencies)),
    )
    ratio = distance**2 / degrees
    tails = np.log1p(ratio)
    logits = -(degrees + 1) / 2 * tails
    exponents = _exponents(features, parameters)
    for exponent, log in zip(exponents, logs, strict=True):
        logits += exponent[:, None] * log
    return _Forward(logits, distance, sigma, ratio, tails, logs, smoothed, mixed, total)


def _gradients(features: Features, parameters: Parameters, forward: _Forward, errors: Floats) -> Parameters:
    """Derivative of each rating's log likelihood by each parameter, groups of shape ``(n, ...)``.

    Args:
        errors: derivative by the logits, shape ``(n, num_values)``.
    """
    *smoothing, degrees, weight = np.exp(parameters.log_positive)
    ratio, distance = forward.ratio, forward.distance
    each = _exponents(features, parameters)
    by_distance = errors * (-(degrees + 1) * distance / (degrees * (1 + ratio)))
    location = features.location_regressors * -(by_distance.sum(axis=1) / forward.sigma)[:, None]
    log_sigma = features.sigma_regressors * -_row_sums(by_distance, distance)[:, None]
    del by_distance  # tables of this size decide how long the fit takes: as few as possible at a time
    log_positive = [
        *(each[side] * smoothing[side] * ((errors / forward.smoothed[side]) @ features.frequencies) for side in (0, 1)),
        _row_sums(errors, degrees * (-forward.tails / 2 + (degrees + 1) / (2 * degrees) * ratio / (1 + ratio))),
        each[3] * weight * _row_sums(errors, features.user_frequencies / forward.mixed - 1 / forward.total),
    ]
    exponents = np.column_stack([_row_sums(errors, log) for log in forward.logs])
    exponents = np.concatenate([exponents, features.few[:, None] * exponents], axis=1)
    return Parameters(location, log_sigma, exponents, np.column_stack(log_positive))


def _exponents(features: Features, parameters: Parameters) -> Floats:
    """The four exponents of each rating, ``(4, n)``: they differ for people with few ratings."""
    return parameters.exponents[:4, None] + parameters.exponents[4:, None] * features.few


def _row_sums(left: Floats, right: Floats) -> Floats:
    """Sum of the products of two tables in each row."""
    return np.asarray(np.einsum("ns,ns->n", left, right))


def _softmax(logits: Floats) -> Floats:
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True))
