// SHA-256 and SHA-512 (FIPS 180-4) where there is no WebCrypto, as over plain HTTP.
import { hexToBytes } from "./noble-ed25519.js";

const primes = [];
for (let n = 2; primes.length < 80; n++) if (primes.every((prime) => n % prime)) primes.push(n);

/** The constants: the first 64 bits of the fraction of a square (2) or cube (3) root. */
function rootBits(n, degree) {
	let low = 0n;
	for (let bit = 1n << 69n; bit; bit >>= 1n) {
		if ((low + bit) ** degree <= BigInt(n) << (64n * degree)) low += bit;
	}
	return BigInt.asUintN(64, low);
}

const K = primes.map((prime) => rootBits(prime, 3n));
const START = primes.slice(0, 8).map((prime) => rootBits(prime, 2n));
/** By width of a word: rounds, rotations of the four sigmas (the last two end in a shift). */
const SHAPES = {
	32: [64, [2n, 13n, 22n], [6n, 11n, 25n], [7n, 18n, 3n], [17n, 19n, 10n]],
	64: [80, [28n, 34n, 39n], [14n, 18n, 41n], [1n, 8n, 7n], [19n, 61n, 6n]],
};

export function sha2(bits, data) {
	const width = bits / 8;
	const [rounds, big0, big1, small0, small1] = SHAPES[width];
	const size = BigInt(width);
	const word = (n) => BigInt.asUintN(width, n);
	const turn = (n, by) => (n >> by) | word(n << (size - by));
	const big = (n, [a, b, c]) => turn(n, a) ^ turn(n, b) ^ turn(n, c);
	const small = (n, [a, b, c]) => turn(n, a) ^ turn(n, b) ^ (n >> c);
	const top = (n) => n >> (64n - size);

	const block = width * 2;
	const padded = new Uint8Array(Math.ceil((data.length + 1 + width / 4) / block) * block);
	padded.set(data);
	padded[data.length] = 0x80;
	const view = new DataView(padded.buffer);
	view.setBigUint64(padded.length - 8, BigInt(data.length) * 8n);

	let state = START.map(top);
	for (let at = 0; at < padded.length; at += block) {
		const w = [];
		let [a, b, c, d, e, f, g, h] = state;
		for (let t = 0; t < rounds; t++) {
			const from = at + (t * width) / 8;
			if (t > 15) w[t] = word(small(w[t - 2], small1) + w[t - 7] + small(w[t - 15], small0) + w[t - 16]);
			else w[t] = width < 64 ? BigInt(view.getUint32(from)) : view.getBigUint64(from);
			const one = h + big(e, big1) + ((e & f) ^ (~e & g)) + top(K[t]) + w[t];
			const two = big(a, big0) + ((a & b) ^ (a & c) ^ (b & c));
			[a, b, c, d, e, f, g, h] = [word(one + two), a, b, c, word(d + one), e, f, g];
		}
		state = [a, b, c, d, e, f, g, h].map((n, i) => word(state[i] + n));
	}
	return hexToBytes(state.map((n) => n.toString(16).padStart(width / 4, "0")).join(""));
}
