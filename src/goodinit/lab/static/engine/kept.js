// CSV files that outlast a reload. They are kept in the tab's own storage, which no other site reads and which ends with the tab.

const PLACE = "goodinit-lab-csv"; // a list of {id, name, text}, the newest last

/** The files that were kept in this tab. */
export function kept() {
  try {
    const found = JSON.parse(sessionStorage.getItem(PLACE)) ?? [];
    return found.filter((each) => [each?.id, each?.name, each?.text].every((part) => typeof part === "string"));
  } catch {
    return [];
  }
}

/** Keep a file, and of those before it as many as there is room for: whether it is kept. */
export function keep(file) {
  const all = [...kept().filter(({ id }) => id !== file.id), file];
  for (; all.length; all.shift()) {
    try {
      sessionStorage.setItem(PLACE, JSON.stringify(all));
      return true;
    } catch {
      // no room, or no storage at all
    }
  }
  return false;
}
