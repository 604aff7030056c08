"""What every page of physlearn is made with: its templates, and its one style sheet."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment

__all__ = ["fill_page", "page_environment", "page_file"]


def page_file(name: str) -> str:
    """Return the text of a file that travels with this package.

    Examples
    --------
    >>> "--paper" in page_file("style.css")
    True
    """
    return resources.files("physlearn.report").joinpath(name).read_text("utf-8")


def page_environment() -> Environment:
    """Return the template environment: texts are escaped, and a missing name is an error.

    Examples
    --------
    >>> page_environment().from_string("{{ words }}").render(words="a < b")
    'a &lt; b'
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined,
        loader=FunctionLoader(page_file),
    )  # fmt: skip


def fill_page(template: str, context: Mapping[str, Any]) -> str:
    """Return a page: a template that extends ``base.html.j2``, filled.

    Parameters
    ----------
    template
        Name of a file of this package.
    context
        What the template names: ``title`` at least; ``css`` and ``version`` are there already.

    Examples
    --------
    >>> "<h1>A &lt;title&gt;</h1>" in fill_page("base.html.j2", {"title": "A <title>"})
    True
    """
    from markupsafe import Markup

    from physlearn import __version__

    css = Markup(page_file("style.css"))  # noqa: S704 -- our own file
    return (
        page_environment()
        .get_template(template)
        .render({"css": css, "version": __version__, **context})
    )
