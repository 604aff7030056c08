"""What a search for laws may use, and what it hands back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from physlearn.checks import InputError, check_count
from physlearn.inference.law_search.program_prices import POWERS, price_of_program
from physlearn.inference.laws.equation import Equation
from physlearn.inference.laws.expression import Program, is_variable
from physlearn.records.storage import html_table, short_repr

__all__ = ["SearchOptions", "SearchOutcome"]

UNARY = ("exp", "log", "sqrt", "inv", "square", "cube", "sin", "cos", "tanh", "abs", "neg")
BINARY = ("add", "sub", "mul", "div", "pow")
DEFAULT_UNARY = ("exp", "log", "sqrt", "inv", "square", "cube")
# Highest price (half nats) of the expressions fitted, by the number of variables
HIGHEST_PRICES = {1: 21, 2: 19, 3: 16, 4: 14}
PRICE_OF_MANY = 12


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What the exhaustive search may use.

    Attributes
    ----------
    largest_size
        Most tokens of one term; None leaves it to the price.
    highest_price
        Longest code of a term, half nats (`skeletons.PRICES`, one variable); None takes 21, 19, 16,
        14, 12 for 1, 2, 3, 4, more variables, and some longer terms of usual shapes. Two more take
        three times as long.
    unary, binary
        Operations allowed. "pow" allows roots, squares, cubes and inverses, and a sign is free.
    n_terms
        Most terms of a sum, 1 to 3, not counting the offset.
    n_kept
        Most laws handed back.
    stop
        Asked between pieces of work (some 50 ms); True ends the search with what there is.
    progress
        Called with the fraction done and the text of the best law so far.
    constraints
        Called with a fitted law; a sentence removes the law, None keeps it.

    Raises
    ------
    InputError
        If an operation is unknown or a number is not in its range.

    Examples
    --------
    >>> SearchOptions(unary=("exp", "inv")).price(1)
    21
    """

    largest_size: int | None = None
    highest_price: int | None = None
    unary: Sequence[str] = DEFAULT_UNARY
    binary: Sequence[str] = BINARY
    n_terms: int = 3
    n_kept: int = 60
    stop: Callable[[], bool] | None = None
    progress: Callable[[float, str], None] | None = None
    constraints: Callable[[Equation], str | None] | None = None

    def __post_init__(self) -> None:
        given: tuple[tuple[str, object, tuple[str, ...]], ...] = (
            ("unary", self.unary, UNARY), ("binary", self.binary, BINARY),
        )  # fmt: skip
        for name, chosen, known in given:
            if isinstance(chosen, str) or not isinstance(chosen, Collection):
                raise InputError(f"{name} must be names like {known[:2]}, got {chosen!r}.")
            wrong = [operation for operation in chosen if operation not in known]
            if wrong:
                raise InputError(f"{name} may hold {', '.join(known)}; got {wrong[0]!r}.")
        if self.n_terms not in (1, 2, 3):
            raise InputError(f"n_terms must be 1, 2 or 3, got {self.n_terms!r}.")
        for name, value in (("n_kept", self.n_kept), ("largest_size", self.largest_size),
                            ("highest_price", self.highest_price)):  # fmt: skip
            if value is not None:
                check_count(name, value, 1)

    def price(self, n_variables: int) -> int:
        """Return the highest price for this many variables."""
        return self.highest_price or HIGHEST_PRICES.get(n_variables, PRICE_OF_MANY)

    def allows(self, program: Program) -> bool:
        """Say whether a term is within the limits that were given; a constant always is.

        Examples
        --------
        >>> cheap = SearchOptions(highest_price=7, unary=("inv",), binary=("mul",))
        >>> cheap.allows(("x", "inv")), cheap.allows(("x", "exp")), cheap.allows(("x", 4, "pow"))
        (True, False, False)
        """
        if not any(is_variable(token) for token in program):
            return True
        allowed = {*self.unary, "neg", *(POWERS if "pow" in self.binary else ())}
        used = {token for token in program if isinstance(token, str)}
        if (used & set(UNARY)) - allowed or (used & {"pow"}) - set(self.binary):
            return False
        if self.largest_size is not None and len(program) > self.largest_size:
            return False
        return self.highest_price is None or (
            round(price_of_program(program, 1)) <= self.highest_price
        )


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """Laws, best first, with the sentences that belong to them and how many were fitted."""

    laws: tuple[Equation, ...]
    warnings: tuple[str, ...]
    n_candidates: int

    __repr__ = short_repr
    _repr_html_ = html_table
