/** What cannot be served, and why: code, field, given, allowed and an English message. */
export class Refused extends Error {
  constructor(error) {
    super(error.message);
    Object.assign(this, { code: error.code, field: error.field ?? null, given: error.given ?? null, allowed: error.allowed ?? null });
  }
}
