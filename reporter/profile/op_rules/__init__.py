"""What each operation costs, as a formula on shapes: one table, no torch objects.

A rule takes the operation's arguments by their schema names, every tensor replaced by its shape
(a list of tensors by a tuple of shapes), and the shapes of its results; it returns `Work`.

Counting semantics
  - `macs`: one per multiply-accumulate of a convolution, matrix product, attention product,
    recurrent cell or bilinear form. Nothing else: no bias, norm, activation or pooling.
  - `madds`: every multiplication and every addition, each one; a subtraction counts as an
    addition; a division, a comparison, or one evaluation of an elementary function (exp, erf,
    sqrt, sin, …) counts as one operation.
  - A sum of n terms is n - 1 additions, so an output element that contracts over n products
    costs n multiplications and n - 1 additions, and one more with a bias.
  - Scalars a layer computes once per row or channel (the 1/sqrt(var + eps) of a norm) are left
    out, as everywhere in the field.
  - Padding is multiplied like any other value; attention counts its whole score matrix, causal
    or not, whichever kernel runs it.
  - A complex number counts as one value: one multiplication, one addition.
docs/metrics.md has the same in prose.
"""

from __future__ import annotations

from collections.abc import Mapping

from .contractions import CONTRACTIONS, QUALIFIED
from .elements import ELEMENTS
from .layers import LAYERS
from .work import Rule

RULES: Mapping[str, Rule] = {
    **{
        f"aten::{name}": rule
        for table in (ELEMENTS, LAYERS, CONTRACTIONS)
        for name, rule in table.items()
    },
    **QUALIFIED,
}
"""Operation → formula. An in-place form (`aten::add_`) uses the rule of the other (`aten::add`)."""
