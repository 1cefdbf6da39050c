/**
 * The proof box of a page, and the form of the page "verify": gathers what is to be verified, shows the steps
 * as they end, and remembers the newest checkpoint if the reader lets it. All words stand in the page.
 */
import {
	canonical, canonicalBytes, decode, need, parseCanonical, parseJson, parsePolicy, parseReceipt, parseVkey, Refused, utf8,
} from "./formats.js";
import { STEPS, verify } from "./verify.js";

const LARGE = 1 << 24;
/** What this browser keeps; nothing, where it is told to keep nothing. */
const kept = (() => {
	try {
		return localStorage;
	} catch {
		return {};
	}
})();
const root = document.querySelector("[data-vkey]");
const { dataset } = root;
const find = (name) => root.querySelector(`[name=${name}]`);
const words = { __proto__: null };
for (const each of root.querySelector("template").content.children) words[each.dataset.word] = each.textContent;

function shown(value) {
	const format = value instanceof Date ? { dateStyle: "long", timeStyle: "short", timeZone: "UTC" } : {};
	return typeof value === "string" ? value : value?.toLocaleString(dataset.locale, format);
}

const say = (code, values) => words[code].replace(/\{(\w+)\}/g, (_, name) => shown(values?.[name]) ?? "–");

async function get(path) {
	const answer = await fetch(path).catch(() => ({}));
	if (!answer.ok) throw new Refused("network", { path }, true);
	return new Uint8Array(await answer.arrayBuffer());
}

/** Show how a step stands. */
function tell(id, { status, code, values } = { status: "running" }) {
	const item = root.querySelector(`[data-step=${id}]`);
	const [mark, said, details] = item.querySelectorAll("[data-mark], [data-said], details");
	item.dataset.status = status ?? "";
	mark.textContent = words[status] ?? "";
	said.textContent = code ? say(code, values) : "";
	details.hidden = !values?.rows;
	details.open = values?.rows?.length < 3 && id !== "bytes";
	const pairs = (values?.rows ?? []).map(([name, hash]) => {
		const [pair, term, detail, text] = ["div", "dt", "dd", "code"].map((tag) => document.createElement(tag));
		term.textContent = words[name] ?? name;
		text.textContent = hash;
		detail.append(text);
		pair.append(term, detail);
		return pair;
	});
	details.querySelector("dl").replaceChildren(...pairs);
}

function conclude(status, code, values) {
	const place = root.querySelector("[role=status]");
	root.dataset.status = status;
	place.textContent = say(code, values);
}

const ofReceipt = (receipt, index = receipt.index) => ({ receipt, index: BigInt(index), note: receipt.note });

async function receiptAt(index) {
	const receipt = parseReceipt(await get(`/entries/${index}.proof`));
	return { receipt, entry: parseCanonical(receipt.extra, LARGE).entry };
}

/** Whoever reads a file sees all that it says, and what is parsed has of each name the last: each is there once. */
function parseOnce(bytes) {
	const value = parseJson(bytes, LARGE);
	const names = (item) => {
		if (!item || typeof item !== "object") return 0;
		const own = Array.isArray(item) ? 0 : Object.keys(item).length;
		return Object.values(item).reduce((sum, each) => sum + names(each), own);
	};
	const strings = decode(bytes, LARGE).matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"\s*(:)?/g);
	need([...strings].filter(([, colon]) => colon).length === names(value), "json");
	return value;
}

/** What a list says of a job is said again in the entry and its opening, which the steps look at. */
function needSame(job, { statement, logged_at, publish_by }, fields) {
	const text = (path) => fields[path]?.replaceAll("\0", "\ufffd") ?? null;
	const { job_id, author: member } = statement;
	const said = { ...statement.public, job_id, member, publish_by, submitted_at: logged_at };
	Object.assign(said, { title: text("title"), model_name: text("model.name") });
	for (const [name, value] of Object.entries(said)) {
		need(!(name in job) || canonical(job[name]) === canonical(value), "claims");
	}
}

/** What a file says, ready to be verified: a receipt, an entry, an entry with its opening, an answer of the API. */
async function read(bytes) {
	if (decode(bytes, LARGE, "unreadable").startsWith("c2sp.org/")) return ofReceipt(parseReceipt(bytes));
	const value = parseOnce(bytes);
	const { data = value } = value;
	const { entry = data, opening, job, sealed, events } = data;
	let index = data.index ?? job?.submitted_index;
	if (job) {
		const claims = { public: events[0].public, fields: sealed[0]?.disclosure?.fields };
		const { receipt, entry } = await receiptAt(index);
		needSame(job, entry, claims.fields ?? {});
		return { ...ofReceipt(receipt, index), claims };
	}
	need(entry.format && entry.kind, "unreadable");
	const id = entry.statement?.job_id ?? entry.job_id;
	if (index === undefined && id) {
		const { events } = parseJson(await get(`/api/v1/jobs/${encodeURIComponent(id)}`), LARGE).data;
		const alike = events.filter(({ kind, logged_at }) => kind === entry.kind && logged_at === entry.logged_at);
		index = alike.pop()?.index;
		for (const each of alike) {
			if (canonical((await receiptAt(each.index)).entry) === canonical(entry)) index = each.index;
		}
	} else if (entry.kind === "genesis") index = 0;
	need(index !== undefined, "nowhere");
	return { entry: canonicalBytes(entry), opening, index: BigInt(index), note: await get("/log/checkpoint") };
}

async function run() {
	const button = find("verify");
	button.disabled = true;
	const result = root.querySelector(".verify-result");
	if (result) result.hidden = false;
	for (const id of STEPS) tell(id, {});
	conclude("running", "working");
	try {
		const policyText = find("policy")?.value.trim();
		const policy = policyText ? await parsePolicy(policyText) : undefined;
		const vkey = find("vkey")?.value.trim() || dataset.vkey;
		const isOnline = !find("offline")?.checked;
		const bytes = dataset.receipt ? await get(dataset.receipt) : utf8(find("record").value);
		const given = dataset.receipt ? ofReceipt(parseReceipt(bytes), dataset.entry) : await read(bytes);
		given.key = await parseVkey(vkey);
		const origin = decode(given.note, LARGE, "note").split("\n")[0];
		if (policy?.logs.length) given.key = policy.logs.find(({ name }) => name === origin) ?? policy.logs[0];
		if ("keys" in dataset && isOnline && origin === given.key.name) {
			const { follow } = await import("./keys.js");
			given.key = await follow(given.key, get);
		}
		const isOwn = vkey === dataset.vkey || given.key.at;
		if (isOwn && isOnline && origin === given.key.name) given.get = get;
		given.policy = policy;
		const slot = `checkpoint ${origin}`;
		const remember = find("remember").checked;
		if (remember) given.remembered = kept[slot] ? utf8(kept[slot]) : null;
		else delete kept[slot];
		if ("newest" in dataset || given.entry) given.now = Date.now() / 1000;
		const { verdict, done, checkpoint, n } = await verify(given, tell);
		if (remember && ["first", "grown"].includes(done.memory.code)) kept[slot] = decode(given.note, LARGE);
		const status = { failed: "fails", unfinished: "open" }[verdict] ?? "holds";
		conclude(status, verdict, { index: given.index, size: checkpoint?.size, origin, who: done.author.values?.who, n });
	} catch (error) {
		const { code, values, open } = error instanceof Refused ? error : { code: "malformed" };
		conclude(open ? "open" : "fails", code, values);
	}
	button.disabled = false;
}

for (const each of root.querySelectorAll("[data-script]")) each.hidden = each.dataset.script === "no";
find("remember").checked = kept["checkpoint off"] !== "1";
find("remember").addEventListener("change", ({ target }) => {
	kept["checkpoint off"] = target.checked ? "" : "1";
});
find("verify").addEventListener("click", run);

const file = find("file");
const load = async (files) => {
	for (const each of files) {
		const text = await each.text();
		const isPolicy = /^(#.*\n|\s)*(log|witness|group|quorum) /.test(text);
		find(isPolicy ? "policy" : "record").value = text;
		if (isPolicy) find("policy").closest("details").open = true;
		else await run();
	}
};
file?.addEventListener("change", () => load(file.files));
if (file) {
	root.addEventListener("dragover", (event) => event.preventDefault());
	root.addEventListener("drop", (event) => {
		event.preventDefault();
		load(event.dataTransfer.files);
	});
}
