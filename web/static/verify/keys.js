/**
 * Which key speaks for the log: one key may have named the next, in entries that the file `/log/keys` lists. The
 * list is believed as far as both keys have signed, and the tree of the newest key holds its entries.
 */
import {
	canonicalBytes, decode, ed25519, fromBase64, leafHash, need, openCheckpoint, pae, parseCanonical, parseJson, parseNote,
	parseReceipt, parseVkey, same, Tiles, utf8, walk,
} from "./formats.js";

const LIMIT = 1 << 20;
const TYPE = "application/vnd.apsci.log-key.v1+json";

/** The key that the entry names as the next after `old`. */
async function heir({ entry, index }, old) {
	const next = await parseVkey(entry.vkey);
	const { name: origin, id: replaces } = old;
	const isNamed = entry.kind === "log_key" && entry.replaces === replaces && next.name === origin;
	need(isNamed && next.type === 1 && next.id !== replaces, "other", { index });
	const message = pae({ origin, replaces, vkey: entry.vkey }, TYPE);
	for (const [who, { key }] of [["old", old], ["new", next]]) {
		need(await ed25519(key, message, fromBase64(entry.signatures[who], "other")), "other", { index });
	}
	return next;
}

/**
 * `key`, one of the log's, with `at(size)`: the one of its keys that has to sign a tree of so many entries. Of an
 * earlier key it has to be the beginning of the newest tree, which `fits` checks. A key that the list does not know
 * stays as it is.
 */
export async function follow(key, get) {
	const list = decode(await get("/log/keys"), LIMIT, "spelling").split("\n").slice(0, -1);
	const named = list.map((line) => parseJson(utf8(line), LIMIT));
	const genesis = parseCanonical(parseReceipt(await get("/entries/0.proof")).extra, LIMIT).entry;
	const chain = [{ key: await parseVkey(genesis.vkey), since: 0n }];
	for (const each of named) {
		chain.push({ key: await heir(each, chain.at(-1).key), since: BigInt(each.index) });
		need(chain.at(-1).since > chain.at(-2).since, "other", each);
	}
	if (!chain.some((each) => each.key.id === key.id && same(each.key.key, key.key))) return key;
	// Who trusts a later key knows of the earlier ones by the tree alone that this one has signed.
	const note = parseNote(await get("/log/checkpoint"));
	const { size, root } = await openCheckpoint(note, chain.at(-1).key);
	const tiles = new Tiles(size, (name) => get(`/log/${name}`));
	for (const { entry, index } of [{ entry: genesis, index: 0 }, ...named]) {
		const at = BigInt(index);
		const led = await walk(await leafHash(canonicalBytes(entry)), at, size, await tiles.path(at));
		need(same(led.root, root), "other", { index });
	}
	// An earlier key may be stolen.
	const fits = async (old) => {
		const roots = old.size > chain.at(-1).since || (await tiles.both(old.size));
		need(roots === true || (same(roots[0], old.root) && same(roots[1], root)), "replaced", { old: old.size, size });
	};
	return { ...key, fits, at: (size) => chain.findLast((each) => each.since < size)?.key };
}
