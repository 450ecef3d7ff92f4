"""What pyffi/cli/peers.py makes for a recogniser to open a model."""

from __future__ import annotations

import itertools

import pytest

from pyffi.cli.peers import merges
from pyffi.models.vocabulary import published_vocabulary, to_printable


@pytest.mark.parametrize("multilingual", [False, True])
def test_every_token_of_whisper_is_the_merge_of_two_earlier_ones(multilingual: bool) -> None:
    tokens = [to_printable(token) for token in published_vocabulary(multilingual)]
    found = merges(tokens)
    assert [left + right for left, right in found] == [token for token in tokens if len(token) > 1]
    rank = {token: i for i, token in enumerate(tokens)}
    for left, right in itertools.islice(found, 0, None, 97):
        assert max(rank[left], rank[right]) < rank[left + right]
