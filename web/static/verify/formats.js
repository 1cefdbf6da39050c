/**
 * What a transparency log is made of, read and hashed; README.md names the specifications. Pure: bytes are given
 * or come through `get(path)`. What is read has one spelling, or is Refused. Sizes and indices are BigInt.
 */
import { bytesToHex as toHex, concatBytes as concat, hashes, hexToBytes, Point, verifyAsync } from "./noble-ed25519.js";
import { sha2 } from "./sha2.js";

export { toHex };

/** WebCrypto, which plain HTTP has not: then the scripts do it all. */
export const engine = { subtle: globalThis.crypto?.subtle };

/** What is wrong, as a code; `open` if it could not be checked. */
export class Refused extends Error {
	constructor(code, values, open) {
		super(code);
		Object.assign(this, { code, values, open });
	}
}

export function need(truth, code, values) {
	if (!truth) throw new Refused(code, values);
}

export const utf8 = (text) => new TextEncoder().encode(text);
export const same = (a, b) => toHex(a) === toHex(b);
const toBase64 = (bytes) => btoa(Array.from(bytes, (n) => String.fromCharCode(n)).join(""));

function attempt(code, work) {
	try {
		return work();
	} catch {
		throw new Refused(code);
	}
}

export function decode(bytes, limit, code) {
	need(bytes.length <= limit, code);
	return attempt(code, () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
}

export function fromBase64(text, code, length) {
	const data = attempt(code, () => Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));
	need(toBase64(data) === text && (length ?? data.length) === data.length, code);
	return data;
}

async function digest(bits, data) {
	const { subtle } = engine;
	return subtle ? new Uint8Array(await subtle.digest(`SHA-${bits}`, data)) : sha2(bits, data);
}
hashes.sha512Async = (data) => digest(512, data);
export const sha256 = (...parts) => digest(256, concat(...parts));

async function hmac(key, data) {
	const pad = (byte) => new Uint8Array(64).map((_, at) => key[at] ^ byte);
	return sha256(pad(0x5c), await sha256(pad(0x36), data));
}

/** Whether a signature verifies. A key of small order signs nothing. */
export async function ed25519(key, message, signature) {
	try {
		if (signature.length !== 64 || Point.fromBytes(key).isSmallOrder()) return false;
		const imported = await engine.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
		return await engine.subtle.verify("Ed25519", imported, signature, message);
	} catch {
		return verifyAsync(signature, message, key, { zip215: false });
	}
}

/** RFC 8785 on the ledger's subset. */
export function canonical(value, depth = 1) {
	if (value === null || typeof value === "boolean" || Number.isSafeInteger(value)) return String(value);
	if (typeof value === "string" && !/\p{Cs}/u.test(value)) return JSON.stringify(value);
	need(typeof value === "object" && depth < 9, "json");
	const inner = (item) => canonical(item, depth + 1);
	if (Array.isArray(value)) return `[${value.map(inner)}]`;
	const keys = Object.keys(value).sort();
	need(keys.every((key) => /^[a-z0-9_]+(\.[a-z0-9_]+)*$/.test(key)), "json");
	return `{${keys.map((key) => `"${key}":${inner(value[key])}`)}}`;
}
export const canonicalBytes = (value) => utf8(canonical(value));

export const parseJson = (bytes, limit) => attempt("json", () => JSON.parse(decode(bytes, limit)));

export function parseCanonical(bytes, limit) {
	const value = parseJson(bytes, limit);
	need(same(canonicalBytes(value), bytes), "spelling");
	return value;
}

/** Unix seconds of `2026-11-21T19:00:00Z`. */
export function seconds(text) {
	const at = Date.parse(text);
	need(at && new Date(at).toISOString().replace(".000", "") === text, "time");
	return at / 1000;
}

const NAME = /^[^\p{White_Space}+]+$/u;
const SIZE = /^(0|[1-9]\d{0,17})$/;

/** `name+hex8+base64(type ‖ key)` */
export async function parseVkey(text) {
	const [, name, id, encoded] = /^([^+]+)\+([^+]+)\+(.+)$/.exec(text) ?? [];
	const data = fromBase64(encoded, "vkey", 33);
	const hash = await sha256(utf8(`${name}\n`), data);
	need(NAME.test(name) && toHex(hash.slice(0, 4)) === id && (data[0] === 1 || data[0] === 4), "vkey");
	return { name, id, type: data[0], key: data.slice(1) };
}

/** A signed note; none of its lines is believed. */
export function parseNote(bytes) {
	const whole = decode(bytes, 1e6, "note");
	const at = whole.lastIndexOf("\n\n");
	const lines = whole.slice(at + 2).split("\n");
	need(at > 0 && lines.pop() === "" && lines.length <= 100 && !/[\0-\x09\x0b-\x1f]/.test(whole), "note");
	const read = (line) => {
		const [dash, name, encoded, ...rest] = line.split(" ");
		const blob = fromBase64(encoded, "note");
		need(dash === "—" && NAME.test(name) && blob.length > 4 && !rest.length, "note");
		return { name, id: toHex(blob.slice(0, 4)), blob: blob.slice(4) };
	};
	return { text: whole.slice(0, at + 1), lines: lines.map(read) };
}

export function parseCheckpoint(text) {
	const [origin, size, root, ...rest] = text.split("\n");
	need(origin && SIZE.test(size) && rest.length === 1 && !rest[0], "checkpoint");
	return { origin, size: BigInt(size), root: fromBase64(root, "checkpoint", 32) };
}

const linesOf = (note, { name, id }) => note.lines.filter((line) => line.name === name && line.id === id);

/** The checkpoint in a note that the log's own key, named like its origin, has signed. */
export async function openCheckpoint(note, log) {
	const checkpoint = parseCheckpoint(note.text);
	const key = log.at?.(checkpoint.size) ?? log;
	const names = { origin: checkpoint.origin, name: key.name };
	need(key.type === 1 && names.origin === key.name, "origin", names);
	const lines = linesOf(note, key);
	need(lines.length, "unsigned", names);
	for (const { blob } of lines) need(await ed25519(key.key, utf8(note.text), blob), "forged", names);
	await log.fits?.(checkpoint);
	return { ...checkpoint, id: key.id };
}

async function hasCosigned(note, key) {
	const lines = linesOf(note, key);
	for (const { blob } of lines) {
		need(blob.length === 72, "cosignature", key);
		const time = new DataView(blob.buffer).getBigUint64(0);
		const message = utf8(`cosignature/v1\ntime ${time}\n${note.text}`);
		need(await ed25519(key.key, message, blob.slice(8)), "cosignature", key);
	}
	return lines.length;
}

/** The logs' keys, the voices (witnesses and groups, in order), the quorum. */
export async function parsePolicy(text) {
	const [logs, voices, used] = [[], new Map([["none", {}]]), new Set()];
	let [line, quorum] = [0];
	const ok = (truth) => need(truth, "policy", { line });
	const once = (item) => ok(used.size < used.add(item).size);
	const keyOf = async (vkey, type) => {
		const key = await parseVkey(vkey).catch(() => ok());
		ok(key.type === type);
		once(toHex(key.key));
		return key;
	};
	for (const raw of text.split("\n")) {
		line++;
		const [what, name, third, ...rest] = raw.split(/[ \t]+/).filter(Boolean);
		if (!what || what[0] === "#") continue;
		if (what === "log") logs.push(await keyOf(name, ok(!rest.length) ?? 1));
		else if (what === "quorum") quorum = ok(!third && !quorum && voices.has(name)) ?? name;
		else {
			ok(third && !voices.has(name));
			if (what === "witness" && rest.length < 2) voices.set(name, await keyOf(third, 4));
			else {
				const needed = { any: 1, all: rest.length }[third] ?? (SIZE.test(third) ? Number(third) : 0);
				ok(what === "group" && needed > 0 && needed <= rest.length);
				for (const member of rest) once(ok(voices.has(member) && member !== "none") ?? member);
				voices.set(name, { needed, members: rest });
			}
		}
	}
	ok(quorum);
	return { logs, voices, quorum };
}

/** Who of a policy's voices has cosigned; Refused without its quorum. */
export async function checkPolicy(note, { voices, quorum }) {
	const heard = new Set();
	for (const [name, voice] of voices) {
		const spoken = voice.members?.filter((each) => heard.has(each)).length >= voice.needed;
		if (voice.members ? spoken : await hasCosigned(note, voice)) heard.add(name);
	}
	const names = [...heard].join(", ");
	need(quorum === "none" || heard.has(quorum), "quorum", { quorum, names });
	return names;
}

// What follows is RFC 6962 section 2.1, as it stands there.

export const leafHash = (entry) => sha256(Uint8Array.of(0), entry);
const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);

/** The largest power of two below n. */
const split = (n) => 1n << BigInt((n - 1n).toString(2).length - 1);

export async function treeRoot(hashes) {
	if (hashes.length < 2) return hashes[0] ?? sha256();
	const k = Number(split(BigInt(hashes.length)));
	return nodeHash(await treeRoot(hashes.slice(0, k)), await treeRoot(hashes.slice(k)));
}

/** On which side each hash of an audit path stands, lowest first. */
function sides(index, size) {
	if (size < 2n) return [];
	const k = split(size);
	return index < k ? [...sides(index, k), "right"] : [...sides(index - k, size - k), "left"];
}

/** Where an audit path leads; the index and the size fix its length. */
export async function walk(leaf, index, size, path) {
	need(index < size, "index", { index, size });
	const shape = sides(index, size);
	need(path.length === shape.length, "length", { found: path.length, n: shape.length });
	let root = leaf;
	for (const [at, hash] of path.entries()) {
		root = await (shape[at] === "left" ? nodeHash(hash, root) : nodeHash(root, hash));
	}
	return { root, rows: path.map((hash, at) => [shape[at], toHex(hash)]) };
}

/** `tile/0/x001/067.p/5` */
export function tilePath(level, n, width = 256) {
	let name = String(n % 1000n).padStart(3, "0");
	while ((n /= 1000n)) name = `x${String(n % 1000n).padStart(3, "0")}/${name}`;
	return `tile/${level}/${name}${width < 256 ? `.p/${width}` : ""}`;
}

/** The tree of `size` leaves as its tiles say. */
export class Tiles {
	constructor(size, get) {
		Object.assign(this, { size, get, held: {} });
	}

	/** The root over the leaves from `start` to `end`: a range that RFC 6962 splits into. */
	async root(start, end) {
		const count = end - start;
		if (count & (count - 1n)) {
			const middle = start + split(count);
			return nodeHash(await this.root(start, middle), await this.root(middle, end));
		}
		const level = BigInt(count.toString(2).length - 1) / 8n;
		const [at, many, held] = [start, count, this.size].map((n) => n >> (level * 8n));
		const width = Math.min(256, Number(held - (at & ~255n)));
		const path = tilePath(level, at >> 8n, width);
		const data = await (this.held[path] ??= this.get(path));
		need(data.length === width * 32, "tile", { path });
		const hash = (_, i) => data.slice((Number(at & 255n) + i) * 32).slice(0, 32);
		return treeRoot(Array.from({ length: Number(many) }, hash));
	}

	/** The audit path of a leaf. */
	async path(index, start = 0n, end = this.size) {
		if (end - start === 1n) return [];
		const middle = start + split(end - start);
		if (index < middle) return [...(await this.path(index, start, middle)), await this.root(middle, end)];
		return [...(await this.path(index, middle, end)), await this.root(start, middle)];
	}

	/** The roots over the first `older` leaves and over all, from the same subtrees: a proof of consistency. */
	async both(older, start = 0n, end = this.size) {
		if (older <= start || older >= end) {
			const root = await this.root(start, end);
			return [older > start && root, root];
		}
		const middle = start + split(end - start);
		const [leftOld, left] = await this.both(older, start, middle);
		const [rightOld, right] = await this.both(older, middle, end);
		return [rightOld ? await nodeHash(leftOld, rightOld) : leftOld, await nodeHash(left, right)];
	}
}

/** A `.tlog-proof`; its note and its `extra` stay bytes. */
export function parseReceipt(bytes) {
	const whole = decode(bytes, 1 << 22, "receipt");
	const form = /^c2sp\.org\/tlog-proof@v1\n(?:extra (\S*)\n)?index (\S+)\n((?:\S+\n){0,63})\n/;
	const [head, extra = "", index, hashes] = form.exec(whole) ?? [];
	need(SIZE.test(index), "receipt");
	const path = hashes.split("\n").slice(0, -1).map((line) => fromBase64(line, "receipt", 32));
	return { extra: fromBase64(extra, "receipt"), index: BigInt(index), path, note: utf8(whole.slice(head.length)) };
}

/** DSSE: what an author signs. */
export function pae(statement, type = "application/vnd.apsci.statement.v1+json") {
	const body = canonicalBytes(statement);
	return concat(utf8(`DSSEv1 ${type.length} ${type} ${body.length} `), body);
}

/** The root that an opening leads to, and its leaves: `[path, hash, value]`, with "" for a closed one. */
export async function openingRoot({ fields, seed, salts, closed = {} }) {
	const leaves = [];
	for (const path of [...Object.keys(fields), ...Object.keys(closed)].sort()) {
		need(path !== leaves.at(-1)?.[0], "shape");
		if (Object.hasOwn(closed, path)) {
			need(/^[0-9a-f]{64}$/.test(closed[path]), "shape");
			leaves.push([path, hexToBytes(closed[path]), ""]);
			continue;
		}
		const made = seed && (await hmac(fromBase64(seed, "shape", 32), utf8(`apsci-ledger/salt/1\0${path}`)));
		const salt = made ? toBase64(made.slice(0, 16)) : salts[path];
		fromBase64(salt, "shape", 16);
		leaves.push([path, await leafHash(canonicalBytes([path, salt, fields[path]])), canonical(fields[path])]);
	}
	return { root: await treeRoot(leaves.map((leaf) => leaf[1])), leaves };
}
