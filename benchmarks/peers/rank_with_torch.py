"""Mult-VAE (Liang et al. 2018) and RecVAE (Shenbin et al. 2020) in PyTorch, after the papers and their public code."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from linear_rankers import ones
from ranking_job import Job, Rank, main
from torch import Tensor, nn
from torch.nn.functional import dropout, log_softmax, normalize


class MultVAE(nn.Module):
    """items → hidden → latent → hidden → items, tanh between."""

    def __init__(self, num_items: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(num_items, hidden), nn.Tanh(), nn.Linear(hidden, 2 * latent))
        self.decode = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, num_items))

    def forward(self, x: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        """Log probabilities of items, shape ``(num_people, num_items)``, and the KL divergence of each person."""
        mean, log_variance = self.encode(dropout(normalize(x), rate, self.training)).chunk(2, dim=1)
        z = sample(mean, log_variance) if self.training else mean
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return log_softmax(self.decode(z), dim=1), kl


class RecEncoder(nn.Module):
    """Densely connected layers with layer norms and swish; returns mean and log variance."""

    def __init__(self, num_items: int, hidden: int, latent: int, layers: int = 5) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(num_items if n == 0 else hidden, hidden) for n in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden, eps=0.1) for _ in range(layers))
        self.out = nn.Linear(hidden, 2 * latent)

    def forward(self, x: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        before: Tensor | int = 0
        h = dropout(normalize(x), rate, self.training)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = norm(nn.functional.silu(layer(h) + before))
            before = before + h
        mean, log_variance = self.out(h).chunk(2, dim=1)
        return mean, log_variance


def sample(mean: Tensor, log_variance: Tensor) -> Tensor:
    """A draw from the posterior."""
    return mean + torch.randn_like(mean) * (0.5 * log_variance).exp()


def log_normal(z: Tensor, mean: Tensor | float, log_variance: Tensor) -> Tensor:
    """Log density of independent normal variables."""
    return -0.5 * (log_variance + np.log(2 * np.pi) + (z - mean) ** 2 / log_variance.exp())


def batches(x: Any, size: int, rng: np.random.Generator) -> Any:
    """Dense batches of shuffled rows."""
    order = rng.permutation(x.shape[0])
    for start in range(0, len(order), size):
        yield torch.from_numpy(x[order[start : start + size]].toarray())


def fit_mult_vae(x: Any, rng: np.random.Generator, *, hidden: int, latent: int, epochs: int, beta: float) -> Any:
    """Multinomial likelihood, dropout 0.5, KL annealed linearly to beta over the first half of the steps."""
    model = MultVAE(x.shape[1], hidden, latent)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    size = min(500, max(32, x.shape[0] // 8))
    steps, step = epochs * -(-x.shape[0] // size), 0
    for _ in range(epochs):
        for batch in batches(x, size, rng):
            log_probability, kl = model(batch, 0.5)
            loss = -(log_probability * batch).sum(dim=1).mean() + min(beta, beta * 2 * step / steps) * kl.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    model.eval()
    return lambda batch: model(batch, 0.0)[0]


def fit_rec_vae(x: Any, rng: np.random.Generator, *, hidden: int, latent: int, epochs: int, gamma: float) -> Any:
    """Composite prior, KL weighted by gamma times the person's number of items, alternating encoder and decoder."""
    encoder, old = RecEncoder(x.shape[1], hidden, latent), RecEncoder(x.shape[1], hidden, latent)
    decoder = nn.Linear(latent, x.shape[1])
    old.load_state_dict(encoder.state_dict())
    old.eval()
    size = min(500, max(32, x.shape[0] // 8))
    by_encoder = torch.optim.Adam(encoder.parameters(), lr=5e-4)
    by_decoder = torch.optim.Adam(decoder.parameters(), lr=5e-4)
    weights = torch.tensor([3 / 20, 3 / 4, 1 / 10]).log()[:, None, None]

    def step(batch: Tensor, optimizer: torch.optim.Optimizer, rate: float) -> None:
        mean, log_variance = encoder(batch, rate)
        z = sample(mean, log_variance)
        with torch.no_grad():
            old_mean, old_log_variance = old(batch, 0.0)
        wide = torch.full_like(z, 10.0)
        parts = [
            log_normal(z, 0.0, torch.zeros_like(z)),
            log_normal(z, old_mean, old_log_variance),
            log_normal(z, 0.0, wide),
        ]
        prior = torch.logsumexp(torch.stack(parts) + weights, dim=0)
        kl = (log_normal(z, mean, log_variance) - prior).sum(dim=1)
        likelihood = (log_softmax(decoder(z), dim=1) * batch).sum(dim=1)
        loss = (gamma * batch.sum(dim=1) * kl - likelihood).mean()
        encoder.zero_grad()
        decoder.zero_grad()
        loss.backward()
        optimizer.step()

    for _ in range(epochs):
        encoder.train()
        for _ in range(3):
            for batch in batches(x, size, rng):
                step(batch, by_encoder, 0.5)
        old.load_state_dict(encoder.state_dict())
        for batch in batches(x, size, rng):
            step(batch, by_decoder, 0.0)
    encoder.eval()
    return lambda batch: decoder(encoder(batch, 0.0)[0])


def fit(job: Job, settings: dict[str, Any]) -> Rank:
    """Fits one of the two."""
    chosen = dict(settings)
    model, of = chosen.pop("model"), chosen.pop("of")
    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    x, fold_in = ones(job.train, of).astype(np.float32), ones(job.fold_in, of).astype(np.float32)
    x = x[np.diff(x.indptr) > 0]
    train = {"mult-vae": fit_mult_vae, "rec-vae": fit_rec_vae}[model]
    score = train(x, np.random.default_rng(0), **chosen)

    def rank(part: slice) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(score(torch.from_numpy(fold_in[part].toarray())).numpy())

    return rank


if __name__ == "__main__":
    main(fit, f"PyTorch {torch.__version__}")
