"""What the address of a page asks for: it alone decides what a widget shows, and a widget's change rewrites it.

Streamlit's own binding of widgets replaces the address, so that going back leaves the page, and takes its parts out
again when another page is opened. What is written here is a step of the browser's history, and stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, Self

import streamlit as st

from leaderboard.render import style

LONGEST = 60  # letters of a part of an address that are shown
_KEPT = "address"  # in the session: the address as it was last read or written, without what names nothing


class Address:
    """One run of a page: the parts of its address, and what of them names nothing, which is shown on leaving.

    Args:
        names: of the parts that the page knows.
    """

    def __init__(self, *names: str) -> None:
        self._top = st.container()
        self._asked = {name: st.query_params.get_all(name) for name in st.query_params}
        self._wrong = [
            f"There is nothing called {_quoted(name)} to ask for." for name in self._asked if name not in names
        ]
        self._kept = {name: list(values) for name, values in self._asked.items() if name in names}
        st.session_state[_KEPT] = self._kept

    def text(self, name: str) -> str:
        """A part as it stands there; "" without one."""
        return (self._asked.get(name) or [""])[-1]

    def one(self, name: str, options: Sequence[str]) -> str:
        """Which of the options a part names; the first one without it."""
        value = self.text(name)
        if value in options:
            return value
        if value:
            self.wrong(name, value, options[0])
        return options[0]

    def several(self, name: str, options: Sequence[str], otherwise: str, what: str = "") -> list[str]:
        """Those of the options that a part names, in its order.

        Args:
            name: of the part.
            options: that there are.
            otherwise: what is shown where it names none of them.
            what: an option is, where the part's name does not say it.
        """
        values = [value for value in dict.fromkeys(self._asked.get(name, ())) if value]
        known = [value for value in values if value in options]
        for value in values:
            if value not in options:
                self.wrong(name, value, "the rest" if known else otherwise, what)
        return known

    def yes(self, name: str) -> bool:
        """Whether a part is "true"."""
        return self.one(name, ("false", "true")) == "true"

    def number(self, name: str, most: int) -> int:
        """The number from 1 to `most` that a part names; 1 without it, and the nearest for another number."""
        value = self.text(name)
        asked = int(value) if value.isascii() and value.isdecimal() and len(value) < LONGEST else 0
        found = min(max(asked, 1), most)
        if value and asked != found:
            self.wrong(name, value, str(found))
        return found

    def wrong(self, name: str, value: str, shown: str, what: str = "") -> None:
        """Remember a part that names nothing, and what is shown instead of it; the next change takes it out."""
        self._wrong.append(f"There is no {what or name} {_quoted(value)} here. Shown instead: {shown}.")
        self._kept[name] = [one for one in self._kept[name] if one != value]

    def add_problem(self, text: str) -> None:
        """Remember something else that is wrong with the address."""
        self._wrong.append(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Show at the top of the page what of the address could not be followed; nothing if all of it was."""
        if self._wrong and kind is None:
            items = "".join(f"<li>{escape(text)}</li>" for text in self._wrong)
            note = f"<b>Not all of this address could be followed.</b><ul>{items}</ul>"
            self._top.html(style.wrap(f'<div class="note address" role="status">{note}</div>'))


def widget(
    draw: Callable[..., object],
    label: str | int,
    name: str,
    value: object,
    *,
    default: object = None,
    void: Sequence[str] = (),
    otherwise: Mapping[str, str] | None = None,
    **settings: Any,
) -> None:
    """Draw a widget that shows a part of the address, and whose change rewrites it.

    Args:
        draw: Streamlit's function, such as `st.toggle`.
        label: for people; the number of pages for those.
        name: of the part.
        value: what the part says; a widget that has it already is left alone, for someone may be typing in it.
        default: the value that stands for no part of the address.
        void: parts of the address that another choice makes meaningless.
        otherwise: parts that it gets when the default is chosen.
        **settings: of Streamlit's function.
    """
    if name not in st.session_state or st.session_state[name] != value:
        st.session_state[name] = value
    draw(label, key=name, on_change=_changed, args=(name, default, void, otherwise or {}), **settings)


def select(label: str, name: str, options: Sequence[str], value: str, **more: Any) -> None:
    """A choice of one; the first option stands for no part of the address, unless `more` has another default."""
    widget(st.selectbox, label, name, value, options=options, **{"default": options[0], **more})


def _changed(name: str, default: object, void: Sequence[str], otherwise: Mapping[str, str]) -> None:
    """Write what a widget says into the address.

    The rest is kept from the run before: the browser may not have heard of its last change when it sends the next one.
    """
    value = st.session_state[name]
    parts = {key: values for key, values in st.session_state[_KEPT].items() if values and key not in (name, *void)}
    if isinstance(value, list | tuple):
        parts |= {name: [str(one) for one in value]} if value else {}
    elif value and value != default:
        parts[name] = ["true" if value is True else str(value)]
    else:
        parts |= {key: [one] for key, one in otherwise.items()}
    st.session_state[_KEPT] = parts
    st.query_params.from_dict(parts)


def _quoted(text: str) -> str:
    return f"“{text[:LONGEST]}{'…' if len(text) > LONGEST else ''}”"
