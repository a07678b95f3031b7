// The compiled kernels (goodinit.wasm) and their memory. What is taken from the memory is given back.

const KINDS = { words: 0, uniform: 1, centred: 2, normal: 3, truncated_normal: 4, signs: 5 };
const NO_CUT = new Float64Array(7);

export class Core {
  constructor(instance) {
    this.call = instance.exports;
    this.call._initialize();
    const text = new Uint8Array(this.call.memory.buffer, this.call.activation_names(), 1000);
    this.activations = new TextDecoder().decode(text.subarray(0, text.indexOf(0))).split(",").slice(0, -1);
  }

  static async of(module) {
    return new Core(await WebAssembly.instantiate(module, {}));
  }

  /** Room for so many numbers of that array type, filled from `values` where given: the address. */
  take(Type, count, values = null) {
    const at = this.call.take(Math.max(1, count) * Type.BYTES_PER_ELEMENT);
    if (!at) throw new RangeError("out of memory");
    const room = new Type(this.call.memory.buffer, at, count);
    if (values) room.set(values);
    else room.fill(Type === BigInt64Array ? 0n : 0);
    return at;
  }

  /** The numbers at an address, to be read or written before the next call: the memory may move. */
  at(Type, address, count) {
    return new Type(this.call.memory.buffer, address, count);
  }

  free(...addresses) {
    for (const each of addresses) if (each) this.call.give_back(each);
  }

  /** Call f with room for each of the arrays, [Type, count or values]; they are given back after it. */
  within(rooms, f) {
    const taken = rooms.map(([Type, given]) => (typeof given === "number" ? this.take(Type, given) : this.take(Type, given.length, given)));
    try {
      return f(...taken);
    } finally {
      this.free(...taken);
    }
  }

  /** An activation's values and slopes. */
  evaluate({ number, option }, z) {
    return this.within([[Float64Array, z], [Float64Array, z.length], [Float64Array, z.length]], (from, value, slope) => {
      this.call.evaluate(number, option, z.length, from, value, slope);
      return [this.at(Float64Array, value, z.length).slice(), this.at(Float64Array, slope, z.length).slice()];
    });
  }

  /** The 128-bit key of a seed and a name, at an address that the caller gives back. */
  key(seed, name) {
    const text = new TextEncoder().encode(`${seed}\0${name}`);
    const key = this.take(BigUint64Array, 2, [0n, 0n]);
    this.within([[Uint8Array, text]], (at) => this.call.stream_key(at, text.length, key));
    return key;
  }

  /** The elements start <= i < stop of a law: x of that kind, times scale, plus shift where there is one. */
  draw(seed, name, kind, start, stop, { scale = 1, shift = null, cut = NO_CUT } = {}) {
    const count = stop - start;
    const Type = kind === "words" ? BigUint64Array : Float64Array;
    const key = this.key(seed, name);
    try {
      return this.within([[Float64Array, cut], [Float64Array, count]], (at, out) => {
        this.call.stream_fill(key, KINDS[kind], scale, shift ?? -0, at, start, count, out);
        return this.at(Type, out, count).slice();
      });
    } finally {
      this.free(key);
    }
  }
}
