"""Plays Tests/Conversations; at the end, every documented status of every operation must have been seen."""
import pytest

from cluster import ROOT
from contract import contract
from conversation import Conversation

FILES = sorted((ROOT / "Tests" / "Conversations").rglob("*.http"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_conversation(path, api, actors):
    Conversation(api, actors).play(path.read_text())


@pytest.mark.last
def test_every_documented_status_was_seen():
    """Counts every exchange of this run that the contract judged, the generated ones too."""
    unseen = contract().unseen()
    assert not unseen, f"{len(unseen)} without a conversation:\n" + "\n".join(" ".join(row) for row in unseen)
