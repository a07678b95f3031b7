// The text form of a choice, name(option=value, ...), taken apart and put together; never evaluated.

/** "normal(std=10, mean=0)" as {name: "normal", options: {std: "10", mean: "0"}}; null where the text has another form. */
export function parseSpec(text) {
  const found = /^\s*([A-Za-z_]\w*)\s*(?:\((.*)\))?\s*$/s.exec(text);
  if (!found) return null;
  const options = {};
  for (const part of split(found[2] ?? "")) {
    const cut = part.indexOf("=");
    if (cut < 1) return null;
    options[part.slice(0, cut).trim()] = part.slice(cut + 1).trim();
  }
  return { name: found[1], options };
}

/** The text of a name with its options, those left out that are as `usual`. */
export function formatSpec(name, options, usual = {}) {
  const written = Object.entries(options)
    .filter(([key, value]) => String(value) !== "" && !same(value, usual[key]))
    .map(([key, value]) => `${key}=${value}`);
  return written.length ? `${name}(${written.join(", ")})` : name;
}

function same(value, usual) {
  if (usual === undefined) return false;
  if (usual === null) return String(value) === "none" || String(value) === "";
  return String(value).toLowerCase() === String(usual).toLowerCase() || (value !== "" && Number(value) === usual);
}

/** Parts between the commas that are outside of brackets. */
function split(text) {
  const parts = [];
  let depth = 0;
  let part = "";
  for (const letter of text) {
    if (letter === "," && depth === 0) {
      parts.push(part);
      part = "";
      continue;
    }
    if ("([".includes(letter)) depth += 1;
    if (")]".includes(letter)) depth -= 1;
    part += letter;
  }
  if (part.trim() !== "") parts.push(part);
  return parts;
}
