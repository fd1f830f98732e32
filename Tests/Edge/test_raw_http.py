"""The framing rules against the real server: no request that isn't one is taken for one, however it is cut."""
import pytest

import raw_http


@pytest.mark.parametrize("split", raw_http.SPLITS)
def test_every_raw_case_is_judged_as_the_rfc_says(server, split):
    assert raw_http.run(server.port, splits=[split])[split] == []
