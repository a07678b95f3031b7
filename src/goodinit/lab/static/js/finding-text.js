// A finding's sentence from its values, as findings/texts.py renders it; the texts come with the catalogue.

const HOLE = /\{(\w+)(?::([^}]*))?\}/g;
const PIECE = /\[([^\]]*)\]/g;
const MOST = 4; // things in a list; of more, the first three and how many there are more

/** The sentence; `texts` are those of one language by code. */
export function sentence({ code, where, measured, expected, values, message }, texts) {
  const entry = texts[code];
  if (!entry || values.message !== undefined) return message;
  const all = { where, measured, expected, ...values };
  return filled(choice(entry, "text", all), all, entry, texts.lists);
}

const missing = (value) => value === null || value === undefined;
const choice = (entry, name, values) => entry[`${name}.${values.case}`] ?? entry[name];

function filled(text, values, entry, lists) {
  const kept = text.replace(PIECE, (_, piece) => ([...piece.matchAll(HOLE)].some(([, name]) => missing(values[name])) ? "" : piece));
  return kept.replace(HOLE, (_, name, kind = "") => {
    const given = values[name];
    if (missing(given)) return "?";
    if (kind === "list") return listed(given, lists, lists.and);
    if (kind !== "each" && kind !== "comma") return typeof given === "string" ? given : number(given, kind);
    const parts = given.map((part) => filled(choice(entry, name, part), part, entry, lists));
    return listed(parts, lists, kind === "each" ? lists.and : lists.comma);
  });
}

function listed(given, lists, last) {
  let each = [...new Set(given)];
  let word = last;
  if (each.length > MOST) {
    each = [...each.slice(0, MOST - 1), lists.more.replace(HOLE, String(each.length - MOST + 1))];
    word = lists.and;
  }
  return [each.slice(0, -1).join(lists.comma), ...each.slice(-1)].filter(Boolean).join(word);
}

/** A number as Python's format writes it: `3g` three significant digits, `3f` three decimals, `%` whole percents. */
function number(value, kind) {
  if (kind === "%") return `${even(value * 100)}%`;
  if (kind === ",") return value.toLocaleString("en-US");
  if (kind.endsWith("f")) return value.toFixed(Number(kind.slice(0, -1)));
  if (kind === "" && Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  return significant(value, kind === "" ? 6 : Number(kind.slice(0, -1)));
}

/** Rounded to an integer, halves to the even one. */
function even(value) {
  const near = Math.round(value);
  return Math.abs(value % 1) === 0.5 && near % 2 ? near - 1 : near;
}

function significant(value, digits) {
  if (value === 0) return "0";
  const [figures, power] = rounded(value, digits).split("e");
  const size = Number(power);
  const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (size >= -4 && size < digits) return trimmed(Number(`${figures}e${power}`).toFixed(digits - 1 - size));
  return `${trimmed(figures)}e${size < 0 ? "-" : "+"}${String(Math.abs(size)).padStart(2, "0")}`;
}

/** `toExponential`, but halves to the even digit. */
function rounded(value, digits) {
  const [exact, power] = value.toExponential(60).split("e");
  const at = exact.indexOf(".") + (digits > 1 ? digits : 0);
  const [cut, rest] = [exact.slice(0, at), exact.slice(at).replace(".", "")];
  return /^50*$/.test(rest) && Number(cut.at(-1)) % 2 === 0 ? `${cut}e${power}` : value.toExponential(digits - 1);
}
