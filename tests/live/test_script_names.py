"""Names in the Lua scripts: a later name in a script would shadow an earlier one."""

import re
from collections import Counter

import pytest

from live import scripts

_ALL = {
    name: script for name, script in vars(scripts).items() if isinstance(script, scripts.Script)
}
_LOCAL = re.compile(r"^local (?:function )?(\w+(?:, \w+)*)", re.MULTILINE)


@pytest.mark.parametrize("name", _ALL)
def test_no_name_of_a_script_shadows_another(name: str) -> None:
    names = [
        local_name
        for names_of_line in _LOCAL.findall(_ALL[name].text)
        for local_name in names_of_line.split(", ")
    ]
    assert [name for name, count in Counter(names).items() if count > 1] == []
