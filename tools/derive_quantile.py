"""Derives the polynomials of the normal quantile, and writes them where Python and C++ read them.

Let q be a probability less 1/2 and x(q) the normal quantile. The quotient x / q is even and smooth, also where both are
0. Two tables approximate it, each on 16 segments: the quarters of four octaves of a variable p, which the exponent and
the first two bits of the mantissa of p name.

    CENTRE  |q| < 15/32, p = (1/2 - 2^-54) - |q| from 2^-5 to 1/2, which float64 makes of q without rounding where
            |q| > 1/4, and which never reaches 1/2
    NEAR    the nearer tail's probability p from 2^-9 to 2^-5

On each segment, the polynomial of degree 11 in p less the segment's middle that interpolates at the Chebyshev nodes is
found with 60 digits and rounded to float64.

Run it as `python tools/derive_quantile.py`; needs mpmath. The output depends on nothing but this file.
"""

from pathlib import Path

import mpmath

DEGREE = 11
ROOT = Path(__file__).parents[1]
HEAD = (
    "The polynomials of the normal quantile's centre and near tails: a row a power, lowest first, a column a segment."
)
NOTE = "Made by tools/derive_quantile.py; not to be edited."


def quotient(q):
    """The quantile over q; in the middle, where both are 0, their limit."""
    return mpmath.sqrt(2) * mpmath.erfinv(2 * q) / q if q else mpmath.sqrt(2 * mpmath.pi)


def polynomial(low, high, shift):
    """The interpolating polynomial's coefficients, lowest power first, and its largest relative error."""

    def exact(p):
        return quotient(p + shift - mpmath.mpf(1) / 2)

    middle, half = (low + high) / 2, (high - low) / 2
    nodes = [mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * DEGREE + 2)) for i in range(DEGREE + 1)]
    powers = mpmath.matrix([[node**power for power in range(DEGREE + 1)] for node in nodes])
    scaled = mpmath.lu_solve(powers, mpmath.matrix([exact(middle + half * node) for node in nodes]))
    found = [scaled[i] / half**i for i in range(DEGREE + 1)]
    checks = [middle + half * mpmath.mpf(i) / 100 for i in range(-100, 101)]
    error = max(abs(mpmath.polyval(found[::-1], p - middle) / exact(p) - 1) for p in checks)
    return [float(c) for c in found], error


def table(first_exponent, shift):
    """For each power, lowest first, the coefficients of the 16 segments; and the largest relative error."""
    columns, worst = [None] * 16, mpmath.mpf(0)
    for exponent in range(first_exponent, first_exponent + 4):
        for quarter in range(4):
            low = mpmath.mpf(2) ** exponent * (4 + quarter) / 4
            coefficients, error = polynomial(low, low + mpmath.mpf(2) ** exponent / 4, shift)
            columns[(1023 + exponent) % 4 * 4 + quarter] = coefficients  # as the bits of a float64 have it
            worst = max(worst, error)
    return [[column[row] for column in columns] for row in range(DEGREE + 1)], worst


def number(value):
    """The shortest decimals that give the float64 back."""
    return repr(value).replace("e+", "e")


def python_text(name, rows):
    """The table as a Python tuple."""
    body = ",\n".join("    (\n" + "".join(f"        {number(c)},\n" for c in row) + "    )" for row in rows)
    return f"{name} = (\n{body},\n)\n"


def cpp_text(name, rows):
    """The table as a C++ array."""
    lines = [[", ".join(map(number, row[i : i + 4])) for i in range(0, 16, 4)] for row in rows]
    body = ",\n".join("    {" + ",\n     ".join(row) + "}" for row in lines)
    return f"alignas(64) constexpr double {name}[rows][16] = {{\n{body}}};\n"


def main():
    """Writes both files and prints the largest relative errors."""
    with mpmath.workdps(60):
        centre, worst_centre = table(-5, mpmath.mpf(2) ** -54)
        near, worst_near = table(-9, mpmath.mpf(0))
    (ROOT / "src/goodinit/normal_table.py").write_text(
        f'"""{HEAD}\n\n{NOTE}\n"""\n\n__all__ = ["CENTRE", "NEAR"]\n\n'
        + python_text("CENTRE", centre)
        + "\n"
        + python_text("NEAR", near)
    )
    (ROOT / "native/streams_table.hpp").write_text(
        f"// {HEAD}\n// {NOTE}\n\n#pragma once\n\nnamespace {{\nnamespace quantile {{\n\n"
        f"constexpr int rows = {DEGREE + 1};\n"
        + cpp_text("centre", centre)
        + cpp_text("near", near)
        + "\n}  // namespace quantile\n}  // namespace\n"
    )
    for name, worst in (("centre", worst_centre), ("near tails", worst_near)):
        print(f"{name}: largest relative error before rounding 2^{float(mpmath.log(worst, 2)):.1f}")


if __name__ == "__main__":
    main()
