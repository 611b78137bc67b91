"""What others reached on the two networks of the headline, as they published it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """How many times smaller than in fp32, at which error in % on the 10,000 test items of MNIST."""

    method: str
    ratio: float
    error: float
    source: str


_DEEP_COMPRESSION = "Han et al. 2016, arXiv:1510.00149"
_SOFT_SHARING = "Ullrich et al. 2017, arXiv:1702.04008"
_PENALIZED = "Oktay et al. 2020, arXiv:1906.06624"
_RANDOM_CODES = "Havasi et al. 2019, arXiv:1810.00440, read off its figure"
PUBLISHED = {
    "lenet300": (
        Published("Deep Compression", 40, 1.58, _DEEP_COMPRESSION),
        Published("soft weight sharing", 64, 1.94, _SOFT_SHARING),
        Published("entropy-penalized reparametrization", 124, 1.9, _PENALIZED),
    ),
    "lenet5": (
        Published("Deep Compression", 39, 0.74, _DEEP_COMPRESSION),
        Published("dynamic network surgery", 108, 0.91, "Guo et al. 2016, arXiv:1608.04493"),
        Published("soft weight sharing", 162, 0.97, _SOFT_SHARING),
        Published("entropy-penalized reparametrization", 606, 1.0, _PENALIZED),
        Published("Bayesian compression", 771, 1.0, "Louizos et al. 2017, arXiv:1705.08665"),
        Published("minimal random code learning", 579, 0.69, _RANDOM_CODES),
        Published("minimal random code learning", 700, 0.79, _RANDOM_CODES),
        Published("minimal random code learning", 860, 0.875, _RANDOM_CODES),
        Published("minimal random code learning", 1100, 0.96, _RANDOM_CODES),
    ),
}
