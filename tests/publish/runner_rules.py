"""How the Actions runner reads what a step leaves behind, by the rules of its own source.

Written from the runner's `FileCommandManager` and `ActionCommand`, and from nothing of ours.
"""

import re
from dataclasses import dataclass

_OLD_FORM = re.compile(r"##\[([a-z-]+)([^\]]*)\](.*)")
_ESCAPES = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}


@dataclass(frozen=True)
class Command:
    name: str
    data: str
    properties: dict[str, str]


def read_outputs(text: str) -> dict[str, str]:
    """The outputs that a `GITHUB_OUTPUT` file sets; ValueError as the runner fails the step."""
    lines, outputs = iter(text.split("\n")), {}
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = line.split("=", 1)
        elif heredoc >= 0:
            name, delimiter = line.split("<<", 1)
            value = "\n".join(_until(delimiter, lines))
        else:
            raise ValueError(f"neither name=value nor name<<delimiter: {line!r}")
        outputs[name] = value
    return outputs


def _until(delimiter, lines):
    for line in lines:
        if line == delimiter:
            return
        yield line
    raise ValueError(f"no line is {delimiter}")


def read_log(text: str) -> list[Command]:
    """The commands that a step's output gives."""
    commands, stopped_until = [], None
    for line in re.split(r"\r\n|\n|\r", text):
        command = _parse(line)
        if command is None or (stopped_until is not None and command.name != stopped_until):
            continue
        if command.name == stopped_until:
            stopped_until = None
        elif command.name == "stop-commands":
            stopped_until = command.data
        else:
            commands.append(command)
    return commands


def _parse(line: str) -> Command | None:
    stripped = line.lstrip()
    if stripped.startswith("::") and "::" in stripped[2:]:
        head, _, data = stripped[2:].partition("::")
        name, _, properties = head.partition(" ")
        return Command(name, _unescape(data, "%0D", "%0A", "%25"), _pairs(properties, ","))
    if found := _OLD_FORM.search(line):
        return Command(found[1], found[3], _pairs(found[2].strip(), ";"))
    return None


def _pairs(text: str, separator: str) -> dict[str, str]:
    pairs = (each.split("=", 1) for each in text.split(separator) if "=" in each)
    return {name.strip(): _unescape(value, *_ESCAPES) for name, value in pairs}


def _unescape(text: str, *codes: str) -> str:
    for code in codes:
        text = text.replace(code, _ESCAPES[code])
    return text
