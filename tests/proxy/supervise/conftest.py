"""Fixtures of this room."""

import pytest
from supervise_house import House


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)
