/**
 * The ten steps from a record to a signed log. Each ends in a status ("holds", "warns", "fails", or "open": not
 * checked), a code for its sentence, and values; `rows` are hashes. What a server hints at is never believed.
 */
import {
	canonical, canonicalBytes, checkPolicy, ed25519, fromBase64, leafHash, need, openCheckpoint, openingRoot, pae,
	parseCanonical, parseCheckpoint, parseJson, parseNote, parseReceipt, parseVkey, Refused, same, seconds, tilePath,
	Tiles, toHex, walk,
} from "./formats.js";

export const STEPS = "bytes opening author leaf path root signature witnesses memory deadline".split(" ");
const GRACE_S = 300;
const LARGE = 1 << 24;

const ending = (status) => (code, values) => ({ status, code, values });
const holds = ending("holds");
const open = ending("open");
const unless = (there) => {
	if (!there) throw new Refused("blocked", {}, true);
};

/**
 * Run all steps; `tell(id, outcome)` as each begins, then ends. `given`: the log's `key`, `note`, `index`, and
 * `receipt` or `entry` and `opening`; perhaps `claims` (what else was said), `policy`, `get(path)` if the log
 * may be asked, `remembered` (a note; null: none yet), `now` if the checkpoint has to be the newest.
 */
export async function verify(given, tell) {
	const { key, index, receipt, policy, get, remembered, now, claims } = given;
	const done = {};
	let { opening } = given;
	let note, checkpoint, tiles, bytes, entry, disclosed, leaf, there, path;

	async function step(id, work) {
		tell(id);
		try {
			done[id] = await work();
		} catch (error) {
			const { code, values, open } = error instanceof Refused ? error : { code: "malformed" };
			done[id] = ending(open ? "open" : "fails")(code, values);
		}
		tell(id, done[id]);
	}

	const ask = async (what) => parseJson(await get(`/api/v1/${what}at=${checkpoint.size}`), LARGE).data;

	/** Another entry, led to the same root. */
	async function other(at) {
		const index = BigInt(at);
		const { extra } = parseReceipt(await get(`/entries/${at}.proof?at=${checkpoint.size}`));
		const value = parseCanonical(extra, LARGE).entry;
		const hash = await leafHash(canonicalBytes(value));
		const { root } = await walk(hash, index, checkpoint.size, await tiles.path(index));
		need(same(root, checkpoint.root), "other", { index });
		return value;
	}

	try {
		note = parseNote(given.note);
		checkpoint = parseCheckpoint(note.text);
		tiles = get && new Tiles(checkpoint.size, (name) => get(`/log/${name}`));
	} catch {} // the signature's step says why

	await step("bytes", () => {
		if (receipt) ({ entry, opening } = parseCanonical(receipt.extra, LARGE));
		else entry = parseCanonical(given.entry, LARGE);
		bytes = canonicalBytes(entry);
		need(entry.format === "apsci-ledger/1" && seconds(entry.logged_at), "format");
		need(!claims || canonical(claims.public) === canonical(entry.statement.public), "claims");
		return holds("bytes", { n: bytes.length, rows: [["entry", canonical(entry)]] });
	});

	await step("opening", async () => {
		unless(entry);
		const shown = opening ? [opening] : [];
		let sealed = entry.statement?.sealed;
		if (entry.kind === "disclosed") {
			if (!tiles) return open("offline");
			sealed = (await other(entry.discloses)).statement.sealed;
			shown.push(entry);
		} else if (sealed && tiles) {
			const { events } = await ask(`jobs/${encodeURIComponent(entry.statement.job_id)}?`);
			const hint = events.find((event) => event.discloses === Number(index))?.index;
			if (hint) {
				disclosed = await other(hint);
				need(disclosed.kind === "disclosed" && disclosed.discloses === Number(index), "other", { index: hint });
				shown.push(disclosed);
			}
		}
		if (!sealed) return open("unsealed");
		if (!shown.length) return open("sealed", { n: sealed.fields, rows: [["committed", sealed.root]] });
		let values;
		for (const each of shown) {
			const { root, leaves } = await openingRoot(each);
			const rows = leaves.map(([path, hash, shown]) => [path, `${toHex(hash)} ${shown}`]);
			rows.push(["computed", toHex(root)], ["committed", sealed.root]);
			const closed = leaves.filter((leaf) => !leaf[2]).map((leaf) => leaf[0]);
			values = { n: leaves.length - closed.length, paths: closed.join(", "), rows };
			need(leaves.length === sealed.fields && toHex(root) === sealed.root, "commitment", values);
			need(!claims?.fields || canonical(claims.fields) === canonical(each.fields), "claims");
		}
		return holds(values.paths ? "partly" : "opened", values);
	});

	await step("author", async () => {
		unless(entry);
		const { statement, signature } = entry;
		if (!statement) return open("ledger");
		if (!tiles) return open("offline");
		const { author } = statement;
		const keys = (await ask("members?")).find(({ name }) => name === author)?.keys;
		const { vkey, since, until } = keys?.find(({ key_id }) => key_id === signature.key_id) ?? {};
		const values = { who: author, index: since, rows: [["key", vkey]] };
		need(vkey && since < index && (until ?? Infinity) > index, "unknown", values);
		const source = await other(since);
		const added = source.kind === "genesis" ? source.authors : [source.statement.public];
		const isGiven = added.some((each) => each.name === author && each.vkey === vkey && each.action !== "retire");
		need(isGiven && ["genesis", "registry"].includes(source.kind), "other", values);
		const own = await parseVkey(vkey);
		need(own.name === `${key.name}/${author}` && own.id === signature.key_id, "unknown", values);
		need(await ed25519(own.key, pae(statement), fromBase64(signature.value, "author")), "author", values);
		return holds("authored", values);
	});

	await step("leaf", async () => {
		unless(bytes && checkpoint);
		leaf = await leafHash(bytes);
		const rows = [["computed", toHex(leaf)]];
		need((receipt ?? given).index === index, "otherentry", { index });
		need(index < checkpoint.size, "index", { index, size: checkpoint.size });
		if (!tiles) return holds("leaf", { rows });
		there = await tiles.root(index, index + 1n);
		rows.push(["in_tile", toHex(there)]);
		need(same(leaf, there), "leafdiffers", { index, rows });
		return holds("intile", { index, path: tilePath(0, index >> 8n), rows });
	});

	await step("path", async () => {
		unless(checkpoint && leaf);
		path = tiles ? await tiles.path(index) : receipt.path;
		const { rows } = await walk(there ?? leaf, index, checkpoint.size, path);
		const isSame = receipt?.path.map(toHex).join() === path.map(toHex).join();
		need(!receipt || isSame, "pathdiffers", { rows });
		return holds(tiles ? "fromtiles" : "path", { n: path.length, rows });
	});

	await step("root", async () => {
		unless(path && checkpoint);
		const { root } = await walk(there ?? leaf, index, checkpoint.size, path);
		const rows = [["computed", toHex(root)], ["in_checkpoint", toHex(checkpoint.root)]];
		need(same(root, checkpoint.root), "rootdiffers", { rows });
		return holds("root", { size: checkpoint.size, rows });
	});

	await step("signature", async () => {
		const { origin, size, id } = await openCheckpoint(parseNote(given.note), key);
		return holds("signed", { origin, size, rows: [["key", `${origin}+${id}`]] });
	});
	const isSigned = done.signature.status === "holds";

	await step("witnesses", async () => {
		unless(isSigned);
		const names = policy && (await checkPolicy(note, policy));
		const n = note.lines.filter(({ name }) => name !== key.name).length;
		if (names) return holds("cosigned", { names });
		return open(policy ? "nobody" : n ? "strangers" : "nowitness", { n });
	});

	await step("memory", async () => {
		if (remembered === undefined) return open("off");
		unless(isSigned);
		const { size } = checkpoint;
		if (!remembered) return open("first");
		const old = await openCheckpoint(parseNote(remembered), key).catch(() => need(false, "otherkey"));
		const values = { old: old.size, size };
		need(!now || old.size <= size, "stale", values);
		if (old.size !== size && !tiles) return open("offline");
		const [early, late] = old.size < size ? [old, checkpoint] : [checkpoint, old];
		if (early.size < late.size) {
			const roots = await new Tiles(late.size, tiles.get).both(early.size);
			need(same(roots[0], early.root) && same(roots[1], late.root), "fork", values);
		} else need(same(early.root, late.root), "fork", values);
		return holds(old.size < size ? "grown" : old.size > size ? "older" : "same", values);
	});

	await step("deadline", () => {
		unless(entry);
		if (!entry.statement?.sealed) return open("nodeadline");
		const due = seconds(entry.publish_by);
		const values = { due: new Date(due * 1000), n: (due - seconds(entry.logged_at)) / 86400 };
		need(values.n <= 90, "toolong", values);
		if (disclosed) {
			const opened = seconds(disclosed.logged_at);
			values.when = new Date(opened * 1000);
			return opened <= due + GRACE_S ? holds("intime", values) : ending("warns")("late", values);
		}
		if (opening || !now || !tiles) return open("notlooked", values);
		need(now <= due + GRACE_S, "overdue", values);
		return holds("waiting", values);
	});

	const n = STEPS.filter((id) => done[id].status === "fails").length;
	const solid = ["bytes", "leaf", "path", "root", "signature"].every((id) => done[id].status === "holds");
	let verdict = "unfinished";
	if (n) verdict = "failed";
	else if (solid && !STEPS.some((id) => done[id].code === "network")) {
		verdict = { authored: "verified", ledger: "ledgers" }[done.author.code] ?? "anonymous";
	}
	return { verdict, done, checkpoint, n };
}
