import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from caviar.trainers import TrainerError
from caviar.trainers.pytorch.parts.minibatches import epoch_order, minibatches


@given(examples=st.integers(1, 300), seed=st.integers(0, 2**32 - 1), epoch=st.integers(1, 1000))
def test_an_order_is_a_permutation_that_seed_and_epoch_decide(examples: int, seed: int, epoch: int) -> None:
    order = epoch_order(examples, seed, epoch)
    torch.manual_seed(epoch)
    assert order.sort().values.tolist() == list(range(examples))
    assert epoch_order(examples, seed, epoch).equal(order)


@given(examples=st.integers(0, 200), batch_size=st.integers(2, 64))
def test_batches_follow_the_order_and_only_a_last_example_alone_is_left_out(examples: int, batch_size: int) -> None:
    order = epoch_order(examples, 1, 1)
    batches = minibatches(order, batch_size)
    kept = examples - (examples % batch_size == 1)
    assert [place for batch in batches for place in batch.tolist()] == order[:kept].tolist()
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert all(len(batch) > 1 for batch in batches)


def test_a_batch_size_of_one_is_refused() -> None:
    with pytest.raises(TrainerError, match="batch_size is 1: it should be at least 2"):
        minibatches(torch.arange(3), 1)
