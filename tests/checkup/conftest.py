import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Models this small wait for threads longer than they compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
