"""Whether two questions take the same time to answer: what a stranger with a stop-watch could learn."""
import math
import random
import time


def ks_p_value(one, other):
    """The two-sample Kolmogorov-Smirnov test: how likely two samples of one distribution differ at least this much.

    The distance of the empirical distributions, and Stephens's approximation of its distribution: M. A. Stephens,
    "Use of the Kolmogorov-Smirnov, Cramer-Von Mises and Related Statistics Without Extensive Tables", J. Royal
    Statistical Society B 32 (1970); as in Press et al., Numerical Recipes, 3rd edition, section 14.3.3.
    """
    one, other = sorted(one), sorted(other)
    i = j = 0
    distance = 0.0
    while i < len(one) and j < len(other):
        at = min(one[i], other[j])
        while i < len(one) and one[i] == at:
            i += 1
        while j < len(other) and other[j] == at:
            j += 1
        distance = max(distance, abs(i / len(one) - j / len(other)))
    root = math.sqrt(len(one) * len(other) / (len(one) + len(other)))
    return kolmogorov(distance * (root + 0.12 + 0.11 / root))


def kolmogorov(x):
    """The complement of the limiting distribution: 2 sum of (-1)^(k-1) exp(-2 k^2 x^2), which is 1 for small x."""
    if x < 0.2:
        return 1.0
    terms = (2 * (-1) ** (k - 1) * math.exp(-2 * k * k * x * x) for k in range(1, 101))
    return min(1.0, max(0.0, sum(terms)))


def timings(one, other, count=300, warm_up=10, before=lambda: None):
    """Seconds of `count` calls of each, in random order, so that whatever else the machine does meets both alike.

    `before` runs ahead of each call and isn't measured.
    """
    seed = random.randrange(2**32)
    print(f"timings: seed {seed}")
    turns = [0, 1] * count
    random.Random(seed).shuffle(turns)
    taken = [], []
    for turn in [0, 1] * warm_up + turns:
        before()
        started = time.perf_counter()
        (one, other)[turn]()
        taken[turn].append(time.perf_counter() - started)
    return taken[0][warm_up:], taken[1][warm_up:]


def assert_alike(one, other, **options):
    """Fails when the times of the two questions tell them apart (p <= 0.001)."""
    first, second = timings(one, other, **options)
    p = ks_p_value(first, second)
    middle = [sorted(times)[len(times) // 2] * 1000 for times in (first, second)]
    assert p > 0.001, f"p = {p:.2g}, medians {middle[0]:.3f} and {middle[1]:.3f} ms"
