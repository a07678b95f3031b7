"""Derives the polynomials of the normal quantile's centre, and writes them where Python and C++ read them.

Let q be a probability less 1/2, |q| < 15/32, and x(q) the normal quantile. The quotient x / q is even and smooth, also
where both are 0. It is approximated in the variable p = (1/2 - 2^-54) - |q|, which float64 makes of q without rounding
where |q| > 1/4 and which never reaches 1/2, on 16 segments: the quarters of the four octaves from 2^-5 to 1/2, which
the exponent and the first two bits of the mantissa of p name. On each, the polynomial of degree 11 in p less the
segment's middle that interpolates at the Chebyshev nodes is found with 60 digits and rounded to float64.

Run it as `python tools/derive_quantile.py`; needs mpmath. The output depends on nothing but this file.
"""

from pathlib import Path

import mpmath

DEGREE = 11
ROOT = Path(__file__).parents[1]
HEAD = "The coefficients of the normal quantile's centre: a row a power, highest first, a column a segment."
NOTE = "Made by tools/derive_quantile.py; not to be edited."


def quotient(p):
    """The quantile over q; in the middle, where both are 0, their limit."""
    q = mpmath.mpf(2) ** -54 + p - mpmath.mpf(1) / 2
    return mpmath.sqrt(2) * mpmath.erfinv(2 * q) / q if q else mpmath.sqrt(2 * mpmath.pi)


def polynomial(low, high):
    """The interpolating polynomial's coefficients, highest power first, and its largest relative error."""
    middle, half = (low + high) / 2, (high - low) / 2
    nodes = [mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * DEGREE + 2)) for i in range(DEGREE + 1)]
    powers = mpmath.matrix([[node**power for power in range(DEGREE, -1, -1)] for node in nodes])
    scaled = mpmath.lu_solve(powers, mpmath.matrix([quotient(middle + half * node) for node in nodes]))
    exact = [scaled[i] / half ** (DEGREE - i) for i in range(DEGREE + 1)]
    checks = [middle + half * mpmath.mpf(i) / 100 for i in range(-100, 101)]
    error = max(abs(mpmath.polyval(exact, p - middle) / quotient(p) - 1) for p in checks)
    return [float(c) for c in exact], error


def table():
    """For each power, highest first, the coefficients of the 16 segments."""
    columns, worst = [None] * 16, mpmath.mpf(0)
    for exponent in range(-5, -1):
        for quarter in range(4):
            low = mpmath.mpf(2) ** exponent * (4 + quarter) / 4
            coefficients, error = polynomial(low, low + mpmath.mpf(2) ** exponent / 4)
            columns[(1023 + exponent) % 4 * 4 + quarter] = coefficients  # as the bits of a float64 have it
            worst = max(worst, error)
    return [[column[row] for column in columns] for row in range(DEGREE + 1)], worst


def number(value):
    """The shortest decimals that give the float64 back."""
    return repr(value).replace("e+", "e")


def main():
    """Writes both files and prints the largest relative error."""
    with mpmath.workdps(60):
        rows, worst = table()
    python = ",\n".join("    (\n" + "".join(f"        {number(c)},\n" for c in row) + "    )" for row in rows)
    (ROOT / "src/goodinit/normal_table.py").write_text(
        f'"""{HEAD}\n\n{NOTE}\n"""\n\n__all__ = ["CENTRE"]\n\nCENTRE = (\n{python},\n)\n'
    )
    lines = [[", ".join(map(number, row[i : i + 4])) for i in range(0, 16, 4)] for row in rows]
    cpp = ",\n".join("    {" + ",\n     ".join(row) + "}" for row in lines)
    (ROOT / "native/streams_table.hpp").write_text(
        f"// {HEAD}\n"
        f"// {NOTE}\n\n#pragma once\n\nnamespace {{\nnamespace quantile {{\n\n"
        f"constexpr int rows = {DEGREE + 1};\nalignas(64) constexpr double centre[rows][16] = {{\n{cpp}}};\n\n"
        "}  // namespace quantile\n}  // namespace\n"
    )
    print(f"largest relative error before rounding: 2^{float(mpmath.log(worst, 2)):.1f}")  # noqa: T201


if __name__ == "__main__":
    main()
