"""Element by element, reductions, transforms, and dense linear algebra."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log2, prod

from .work import NOTHING, Arguments, Rule, Shape, Work, per_output

STATISTICS = 4
"""Per element: an addition for the mean; a subtraction, a square, an addition for the variance."""


def per_input(operations: int, *, less_outputs: bool = False) -> Rule:
    """`operations` for every element of the first argument, less one an output where asked."""

    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        first = next(iter(arg.values()))
        inputs = sum(map(prod, first)) if first and not isinstance(first[0], int) else prod(first)
        outputs = prod(out[0]) if less_outputs and out else 0
        return Work(0, max(operations * inputs - outputs, 0))

    return rule


def _extremum(arg: Arguments, out: Sequence[Shape]) -> Work:
    """`max(x)` and `max(x, dim)` reduce; `max(x, other)` compares element by element."""
    if arg.get("other") is not None:
        return Work(0, prod(out[0]))
    return Work(0, max(prod(arg["self"]) - prod(out[0]), 0))


def _scaled_addition(arg: Arguments, out: Sequence[Shape]) -> Work:
    """`self + alpha · other`: the multiplication is there only where alpha is not 1."""
    return Work(0, prod(out[0]) * (1 if arg.get("alpha", 1) == 1 else 2))


def _gelu(arg: Arguments, out: Sequence[Shape]) -> Work:
    """½·x·(1 + erf(x/√2)) is 5; with tanh, ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) is 9."""
    return Work(0, prod(out[0]) * (9 if arg.get("approximate") == "tanh" else 5))


def _power(arg: Arguments, out: Sequence[Shape]) -> Work:
    """A small whole exponent n is n - 1 multiplications, any other one elementary function."""
    exponent = arg.get("exponent")
    whole = isinstance(exponent, (int, float)) and exponent in (2, 3, 4)
    return Work(0, prod(out[0]) * (int(exponent) - 1 if whole and exponent else 1))


def _dropout(arg: Arguments, out: Sequence[Shape]) -> Work:
    """In training a mask and a scale, one multiplication each; otherwise nothing."""
    return Work(0, 2 * prod(out[0])) if arg.get("train") else NOTHING


def _fft(arg: Arguments, out: Sequence[Shape]) -> Work:
    """5·N·log₂N real operations for a complex transform of N points, half for a real one.

    The convention of the FFTW benchmarks, https://www.fftw.org/speed/method.html.
    """
    source = max(arg["self"], out[0], key=prod)
    points = prod(source[dim] for dim in arg["dim"])
    if points < 2:
        return NOTHING
    complex_work = 5 * prod(source) * log2(points)
    real = tuple(arg["self"]) != tuple(out[0])
    return Work(0, round(complex_work / 2 if real else complex_work))


def _square(work: Callable[[int], float], *, name: str = "A") -> Rule:
    """`work` of the side n for each matrix of a batch of n × n ones."""

    def rule(arg: Arguments, out: Sequence[Shape]) -> Work:
        *batch, _, side = arg[name]
        return Work(0, prod(batch) * round(work(side)))

    return rule


def _solve(arg: Arguments, out: Sequence[Shape]) -> Work:
    """A factorisation, and for each right-hand side two substitutions of n² each."""
    *batch, _, side = arg["A"]
    columns = prod(arg["B"]) // max(prod(batch) * side, 1)
    return Work(0, prod(batch) * round(2 / 3 * side**3 + 2 * side**2 * columns))


def _triangular(arg: Arguments, out: Sequence[Shape]) -> Work:
    """One substitution: n² for each right-hand side."""
    return Work(0, prod(out[0]) * arg["self"][-1])


def _qr(arg: Arguments, out: Sequence[Shape]) -> Work:
    """Householder's 2·m·n² - ⅔·n³ for R (m ≥ n), and as much again to form Q."""
    *batch, rows, columns = arg["A"]
    long, short = max(rows, columns), min(rows, columns)
    return Work(0, prod(batch) * round(2 * (2 * long * short**2 - 2 / 3 * short**3)))


def _distances(arg: Arguments, out: Sequence[Shape]) -> Work:
    """Of each pair of points: m differences, m powers, m - 1 additions, a root."""
    return Work(0, prod(out[0]) * 3 * arg["x1"][-1])


# LAPACK Working Note 41, appendix C, leading terms.
_LINEAR_ALGEBRA: dict[str, Rule] = {
    "linalg_inv_ex": _square(lambda n: 2 * n**3),
    "linalg_cholesky_ex": _square(lambda n: n**3 / 3, name="self"),
    "linalg_lu_factor_ex": _square(lambda n: 2 / 3 * n**3),
    "_linalg_det": _square(lambda n: 2 / 3 * n**3),
    "_linalg_slogdet": _square(lambda n: 2 / 3 * n**3),
    "_linalg_solve_ex": _solve,
    "linalg_solve_triangular": _triangular,
    "linalg_qr": _qr,
    "linalg_cross": per_output(3),
    "_cdist_forward": _distances,
    "trace": lambda arg, out: Work(0, max(min(arg["self"]) - 1, 0)),
}

_REDUCTIONS: dict[str, Rule] = {
    **dict.fromkeys(
        ("sum", "nansum", "prod", "amax", "amin", "aminmax", "any", "all", "argmax", "argmin",
         "count_nonzero", "_is_all_true", "_is_any_true"),
        per_input(1, less_outputs=True),
    ),
    "max": _extremum,
    "min": _extremum,
    **dict.fromkeys(("mean", "nanmean", "cumsum", "cumprod", "logcumsumexp", "cummax", "cummin",
                     "median"), per_input(1)),
    **dict.fromkeys(("norm", "linalg_vector_norm", "logsumexp"), per_input(2)),
    **dict.fromkeys(("var", "std", "var_mean", "std_mean"), per_input(STATISTICS)),
    "dist": per_input(3),
    "col2im": per_input(1),
    **dict.fromkeys(("index_add", "scatter_add", "scatter_reduce", "index_reduce"),
                    lambda arg, out: Work(0, prod(arg.get("source", arg.get("src"))))),
    **dict.fromkeys(("_fft_c2c", "_fft_r2c", "_fft_c2r"), _fft),
}  # fmt: skip
_ELEMENT_WISE: dict[str, Rule] = {
    "add": _scaled_addition,
    "sub": _scaled_addition,
    "rsub": _scaled_addition,
    "gelu": _gelu,
    "pow": _power,
    "dropout": _dropout,
    "native_dropout": per_output(2),
    **{
        name: per_output(operations)
        for operations, names in {
            0: ("where", "masked_fill", "bitwise_not", "logical_not", "logical_and", "logical_or",
                "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "__and__", "__or__",
                "__xor__", "positive", "fill", "real", "imag", "view_as_real"),
            1: ("floor_divide",),
            2: ("silu", "leaky_relu", "prelu", "relu6", "hardtanh", "clamp", "addcmul", "glu",
                "log_sigmoid", "xlogy", "softshrink", "hardshrink", "rrelu",
                "rrelu_with_noise", "polar"),
            3: ("elu", "celu", "softplus", "hardsigmoid", "lerp", "addcdiv"),
            4: ("hardswish", "selu", "silu_backward", "softplus_backward"),
            5: ("mish",),
            10: ("gelu_backward",),
        }.items()
        for name in names
    },
}  # fmt: skip

ELEMENTS: dict[str, Rule] = {**_ELEMENT_WISE, **_REDUCTIONS, **_LINEAR_ALGEBRA}
