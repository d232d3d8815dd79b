"""What people read: one table of reasons, sentences and hints, and the function that fills them in.

Used by everybody who writes a condition, an event or an answer, so that kubectl, qx and the dashboard show
the same words. A sentence says what is so and why, a hint what to do about it; the table is in the
`message_table_*` modules. Nothing here decides which reason applies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import Formatter
from typing import TypeVar

from quantix_api.errors import InvariantError, QuantixError, WaitingError
from quantix_api.message_table_balance import BALANCE_TEMPLATES
from quantix_api.message_table_certificates import CERTIFICATE_TEMPLATES
from quantix_api.message_table_config import CONFIG_TEMPLATES
from quantix_api.message_table_copies import COPY_TEMPLATES
from quantix_api.message_table_failures import FAILURE_TEMPLATES
from quantix_api.message_table_floating_ip import FLOATING_IP_TEMPLATES
from quantix_api.message_table_guest import GUEST_TEMPLATES
from quantix_api.message_table_host import HOST_TEMPLATES
from quantix_api.message_table_image import IMAGE_TEMPLATES
from quantix_api.message_table_migration import MIGRATION_TEMPLATES
from quantix_api.message_table_network import NETWORK_TEMPLATES
from quantix_api.message_table_own import OWN_TEMPLATES
from quantix_api.message_table_pool import POOL_TEMPLATES
from quantix_api.message_table_refusals import REFUSAL_TEMPLATES
from quantix_api.message_table_snapshot import SNAPSHOT_TEMPLATES
from quantix_api.message_table_storage import STORAGE_TEMPLATES
from quantix_api.message_table_vm import VM_TEMPLATES
from quantix_api.message_template import Template
from quantix_api.message_text import hint_of, quoted, sentence_of, text_of, without_promises

MAX_LENGTH = 300
_ELLIPSIS = "…"
_SHORTEST_FIELD = 12
_Error = TypeVar("_Error", bound=QuantixError)

TABLE: tuple[Template, ...] = (
    *VM_TEMPLATES,
    *GUEST_TEMPLATES,
    *CONFIG_TEMPLATES,
    *OWN_TEMPLATES,
    *FAILURE_TEMPLATES,
    *MIGRATION_TEMPLATES,
    *BALANCE_TEMPLATES,
    *SNAPSHOT_TEMPLATES,
    *IMAGE_TEMPLATES,
    *STORAGE_TEMPLATES,
    *POOL_TEMPLATES,
    *COPY_TEMPLATES,
    *NETWORK_TEMPLATES,
    *FLOATING_IP_TEMPLATES,
    *HOST_TEMPLATES,
    *CERTIFICATE_TEMPLATES,
    *REFUSAL_TEMPLATES,
)


@dataclass(frozen=True)
class Message:
    """A filled-in sentence (with its full stop) and its hint ("" when there is nothing to do)."""

    reason: str
    sentence: str
    hint: str

    @property
    def text(self) -> str:
        """The whole, as it stands in a condition: `SENTENCE. Try: HINT.`"""
        return text_of(self.sentence, self.hint)

    @property
    def sentence_with_reason(self) -> str:
        """`SENTENCE (REASON).`, for where a reason has no place of its own."""
        return f"{self.sentence[:-1]} ({self.reason})."


def fields_of(template: Template) -> frozenset[str]:
    """The names that a template needs."""
    parsed = (*Formatter().parse(template.sentence), *Formatter().parse(template.hint))
    return frozenset(name for _, name, _, _ in parsed if name)


_BY_REASON_AND_FIELDS: dict[tuple[str, frozenset[str]], Template] = {
    (template.reason, fields_of(template)): template for template in TABLE
}


def templates_of(reason: str) -> tuple[Template, ...]:
    """All forms that a reason's message can take."""
    return tuple(template for template in TABLE if template.reason == reason)


def render(reason: str, **fields: object) -> Message:
    """The message of a reason: the form of it that needs exactly these fields, at most 300 characters.

    Fields lose what is no printable character, and give no advice; those that are too long are cut with `…`,
    the longest first. Raises InvariantError (`MessageUnknown`) for a reason or a set of fields that the table
    does not have.
    """
    template = _BY_REASON_AND_FIELDS.get((reason, frozenset(fields)))
    if template is None:
        known = " or ".join("(" + ", ".join(sorted(fields_of(form))) + ")" for form in templates_of(reason))
        raise InvariantError(
            "MessageUnknown",
            f"There is no message {reason} with fields ({', '.join(sorted(fields))}); "
            f"there is {known or 'none of that name'}.",
        )
    values = {name: quoted(_printable(str(value))) for name, value in fields.items()}
    message = _filled(template, values)
    while len(message.text) > MAX_LENGTH:
        longest = max(values, key=lambda name: len(values[name]))
        if len(values[longest]) <= _SHORTEST_FIELD:
            raise InvariantError("MessageTooLong", f"The message of {reason} does not fit {MAX_LENGTH}.")
        keep = max(_SHORTEST_FIELD, len(values[longest]) - (len(message.text) - MAX_LENGTH) - 1)
        values[longest] = values[longest][: keep - 1].rstrip() + _ELLIPSIS
        message = _filled(template, values)
    return message


def as_error(error_class: type[_Error], reason: str, **fields: object) -> _Error:
    """The message of a reason as an error of this class."""
    message = render(reason, **fields)
    return error_class(reason, message.sentence, message.hint)


def as_wait(reason: str, retry_after_s: float, /, **fields: object) -> WaitingError:
    """The message of a reason as a wait that is looked at again after `retry_after_s` seconds."""
    message = render(reason, **fields)
    return WaitingError(reason, message.sentence, message.hint, retry_after_s=retry_after_s)


def message_of(error: QuantixError) -> str:
    """An error as a condition's message, at most 300 characters, all of them printable."""
    text = _printable(str(error))
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1].rstrip() + _ELLIPSIS


def over(text: str, then: str = "") -> str:
    """A message of what has failed for good: nothing in its hint promises that it goes on by itself, and
    `then` is what to do, where the hint does not say that already.
    """
    hint = without_promises(hint_of(text))
    if then and then not in hint:
        hint = f"{hint}; then {then}" if hint else then
    sentence = sentence_of(text)
    room = MAX_LENGTH - len(text_of("", hint))
    return text_of(sentence if len(sentence) <= room else f"{sentence[: room - 1].rstrip()}{_ELLIPSIS}", hint)


def all_told(messages: Sequence[str]) -> str:
    """The first message with the sentences of the others, each once, before its hint, as far as there is room
    in a condition's message.
    """
    text, *others = dict.fromkeys(messages)
    for other in others:
        longer = text_of(f"{sentence_of(text)} {sentence_of(other)}", hint_of(text))
        text = longer if len(longer) <= MAX_LENGTH else text
    return text


def _printable(value: str) -> str:
    """On one line and without what moves a terminal's cursor: much of it comes from outside."""
    text = " ".join(value.split())
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def _filled(template: Template, values: dict[str, str]) -> Message:
    return Message(template.reason, template.sentence.format_map(values), template.hint.format_map(values))
