"""The namespace in the commands that `qx` suggests: one that is typed as it is told reaches the same object.

Most of them come from conditions, whose writers do not know where they are read. Standard library only, as
`terminal`, which takes every suggestion through here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

IN_NAMESPACES = (
    *("vm", "image", "volume", "network", "router", "floatingip", "securitygroup"),
    "migration",
    "snapshot",
)
"""The nouns whose objects lie in namespaces."""
_NOUN = "|".join(IN_NAMESPACES)
# a command of such a noun, up to where its name is or would be; the help is the same everywhere
_COMMAND = re.compile(rf"\bqx (?:(?:{_NOUN}) [a-z]+(?:-[a-z]+)*|explain (?=(?:{_NOUN})/))\b(?! --help)")
_LIST = re.compile(rf"\bqx (?:{_NOUN}) list\b(?! --help)")
# where the words of a command end within a sentence, at the latest
_END = re.compile(r"[;,] |\. |\.?$|   |\bqx ", re.MULTILINE)
_SAYS_WHERE = re.compile(r" (?:-n|--namespace|-A|--all-namespaces)\b")
# it lies in the same namespace for everybody
_SHARED = re.compile(r" ?'?(?:[a-z]+/)?shared/")


@dataclass
class Here:
    """Where a command works: `namespace`, None for all of them or as long as nobody said, and where one
    without `-n` would, None as long as that is not known.
    """

    namespace: str | None = None
    plain: str | None = None

    def told(self, text: str, namespace: str | None = None) -> str:
        """`text` with `-n NAMESPACE` in each command that a plain `qx` would look for elsewhere; `namespace`
        is that of the object which it is about, where one knows what a plain `qx` does; else it is the
        command's. Of a command for all of them, lists are of all, too.
        """
        where = (namespace if self.plain else None) or self.namespace
        if where is None:
            return _placed(text, _LIST, "-A") if self.plain else text
        return text if where == self.plain else in_namespace(text, where)


def in_namespace(text: str, namespace: str) -> str:
    """`qx vm explain web-1` as `qx vm explain -n shop web-1`, unless it says where already. Pure."""
    return _placed(text, _COMMAND, f"-n {namespace}")


def _placed(text: str, commands: re.Pattern[str], place: str) -> str:
    def with_place(found: re.Match[str]) -> str:
        end = _END.search(text, found.end())
        rest = text[found.end() : end.start() if end else None]
        if _SAYS_WHERE.search(rest) or _SHARED.match(rest):
            return found.group()
        command = found.group().rstrip()
        return f"{command} {place}{found.group()[len(command) :]}"

    return commands.sub(with_place, text)
