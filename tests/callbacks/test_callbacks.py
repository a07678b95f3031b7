"""What is said where a library is not there."""

import sys

import pytest

import goodinit
from goodinit import callbacks


@pytest.mark.parametrize(("name", "extra"), [("LightningWatch", "lightning"), ("TransformersWatch", "transformers")])
def test_a_library_that_is_not_there_is_named_with_its_extra(monkeypatch, name, extra):
    monkeypatch.setitem(sys.modules, extra, None)
    monkeypatch.delitem(sys.modules, f"goodinit.callbacks.of_{extra}", raising=False)
    with pytest.raises(goodinit.GoodinitError, match=rf"goodinit\[{extra}\]"):
        getattr(callbacks, name)
    with pytest.raises(AttributeError):
        callbacks.Other  # noqa: B018
