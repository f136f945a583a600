"""Names in the Lua scripts: a later name in a script would shadow an earlier one."""

import re
from collections import Counter

import pytest

from live import scripts

_ALL = {name: made for name, made in vars(scripts).items() if isinstance(made, scripts.Script)}
_LOCAL = re.compile(r"^local (?:function )?(\w+(?:, \w+)*)", re.MULTILINE)


@pytest.mark.parametrize("name", _ALL)
def test_no_name_of_a_script_shadows_another(name: str) -> None:
    names = [one for found in _LOCAL.findall(_ALL[name].text) for one in found.split(", ")]
    assert [name for name, count in Counter(names).items() if count > 1] == []
