/**
 * What cannot be served, and why: code, field, given, allowed, and an English message or `say`: a key of the page's texts
 * and what its holes are filled with.
 */
export class Refused extends Error {
  constructor({ code, field = null, given = null, allowed = null, message, say = null }) {
    super(message ?? (say ? `${say[0]} ${JSON.stringify(say[1])}` : code));
    Object.assign(this, { code, field, given, allowed, say });
  }

  /** As a Worker can tell it. */
  get facts() {
    const { code, field, given, allowed, say, message } = this;
    return { code, field, given, allowed, say, message };
  }
}
