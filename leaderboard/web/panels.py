"""The parts of a page as Streamlit draws them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from leaderboard.charts.picture import Picture, Vector
from leaderboard.render import vectors
from leaderboard.render.parts import Code, Control, Download, Fold, Html, PagePart, Place, SideBySide, Table

ROW, HEAD, TALLEST = 36, 40, 360  # pixels of a table


def show_page(title: str, parts: Sequence[PagePart], controls: Mapping[str, Callable[[], None]] | None = None) -> None:
    """Show a whole page; see `draw`."""
    st.set_page_config(page_title=f"{title} · Repro")
    draw(parts, controls)


def draw(parts: Sequence[PagePart], controls: Mapping[str, Callable[[], None]] | None = None) -> None:
    """Draw the parts of a page, one below the other.

    Args:
        parts: of the page.
        controls: draws the widgets of each `Control`, by its name.
    """
    controls = controls or {}
    for part in parts:
        match part:
            case Html():
                st.html(part.body)
            case Picture():
                st.altair_chart(part.chart, width="stretch", alt=part.alt)
            case Vector():
                st.html(vectors.as_image(part))
            case Code():
                st.code(part.text, language=None, wrap_lines=part.height is None, height=part.height or "content")
            case Table():
                _table(part)
            case Download():
                st.download_button(part.label, part.content, part.name, part.mime, on_click="ignore")
            case Fold():
                with st.expander(part.title):
                    draw(part.parts, controls)
            case Place():
                with st.container():
                    draw(part.parts, controls)
            case SideBySide():
                with st.container(horizontal=True, vertical_alignment="center"):
                    draw(part.parts, controls)
            case Control():
                controls[part.name]()


def _table(part: Table) -> None:
    import pandas as pd

    frame = pd.DataFrame(dict(part.columns))
    shown = {name: st.column_config.NumberColumn(format=f"%.{digits}f") for name, digits in part.decimals.items()}
    st.dataframe(frame, hide_index=True, column_config=shown, height=min(ROW * len(frame) + HEAD, TALLEST))
