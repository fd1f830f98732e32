"""The judge of timings, judged: it must see a difference, and see none where there is none."""
import random

import pytest

from timing import kolmogorov, ks_p_value


@pytest.mark.parametrize("x,p", [(0.8276, 0.5), (1.2238, 0.1), (1.3581, 0.05), (1.6276, 0.01), (1.9495, 0.001)])
def test_it_gives_the_tabulated_values(x, p):
    """Critical values of N. Smirnov, "Table for Estimating the Goodness of Fit of Empirical Distributions", 1948."""
    assert kolmogorov(x) == pytest.approx(p, rel=0.01)


def test_it_knows_the_ends():
    assert ks_p_value(range(100), range(200, 300)) < 1e-40
    assert ks_p_value(range(100), range(100)) == 1


def test_it_finds_a_millisecond_in_ten_among_noise():
    source = random.Random(20261105)
    noisy = [10 + source.expovariate(1) for _ in range(300)]
    later = [11 + source.expovariate(1) for _ in range(300)]
    assert ks_p_value(noisy, later) < 1e-6


def test_it_seldom_finds_what_is_not_there():
    """Under one distribution p is below 0.05 in a twentieth of the cases."""
    source = random.Random(20261106)
    low = sum(ks_p_value([source.gauss(0, 1) for _ in range(300)], [source.gauss(0, 1) for _ in range(300)]) < 0.05
              for _ in range(400))
    assert 5 <= low <= 40
