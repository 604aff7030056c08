"""Formulas as MathML, which browsers draw themselves: the pages load nothing from a network."""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
SPELLINGS = (
    (r"^\s*(?=[_^])", "{}"),  # an index of the text before the formula
    (r"\\[Bb]igg?[lr]?(?![a-zA-Z])", ""),  # brackets grow by themselves
    (r"\\dots(?![a-zA-Z])", r"\\ldots "),
)
"""What docutils' converter does not know, and how to say it."""


def mathml(node: Any, as_block: bool) -> str:
    """Return a formula as MathML; one that cannot be turned is a warning, and shown as written."""
    formula = node.astext()
    for written, known in SPELLINGS:
        formula = re.sub(written, known, formula)
    try:
        text: str = latex2mathml.tex2mathml(formula, as_block=as_block)
    except (MathError, IndexError) as error:
        LOGGER.warning("no MathML for %s: %s", node.astext(), error, location=node)
        text = f"<code>{html.escape(node.astext())}</code>"
    return text


def inline(translator: Any, node: Any) -> None:
    """Draw a formula of a sentence."""
    translator.body.append(f'<span class="math">{mathml(node, as_block=False)}</span>')
    raise nodes.SkipNode


def block(translator: Any, node: Any) -> None:
    """Draw a formula of its own line."""
    translator.body.append(f'<div class="math">{mathml(node, as_block=True)}</div>')
    raise nodes.SkipNode
