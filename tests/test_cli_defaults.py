"""What a command does by itself is what the function behind it does."""

import inspect

import pytest

import goodinit
from goodinit import cli_check, cli_recommend, cli_transfer


@pytest.mark.parametrize(
    ("command", "function"),
    [
        (cli_recommend.recommend, goodinit.recommend),
        (cli_check.check, goodinit.check),
        (cli_transfer.transfer, goodinit.transfer),
    ],
)
def test_an_option_and_its_argument_have_the_same_default(command, function):
    options, arguments = (inspect.signature(each).parameters for each in (command, function))
    shared = [name for name in options if name in arguments]
    assert len(shared) > 4
    for name in shared:
        here, there = options[name].default, arguments[name].default
        assert str(here or None) == str(there or None), name  # an option is text, and absent where a list is empty
