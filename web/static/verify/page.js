/**
 * The proof box of a page, and the form of the page "verify": gathers what is to be verified, shows the steps
 * as they end, and remembers the newest checkpoint if the reader lets it. All words stand in the page.
 */
import { canonicalBytes, decode, need, parseJson, parsePolicy, parseReceipt, parseVkey, Refused, utf8 } from "./formats.js";
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
const words = {};
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

/** What a file says, ready to be verified: a receipt, an entry, an entry with its opening, an answer of the API. */
async function read(bytes) {
	if (decode(bytes, LARGE, "unreadable").startsWith("c2sp.org/")) return ofReceipt(parseReceipt(bytes));
	const value = parseJson(bytes, LARGE);
	const { data = value } = value;
	const { entry = data, opening, job, sealed, events } = data;
	let index = data.index ?? job?.submitted_index;
	if (job) {
		const claims = { public: events[0].public, fields: sealed[0]?.disclosure?.fields };
		return { ...ofReceipt(parseReceipt(await get(`/entries/${index}.proof`)), index), claims };
	}
	need(entry.format && entry.kind, "unreadable");
	const id = entry.statement?.job_id ?? entry.job_id;
	if (index === undefined && id) {
		const events = parseJson(await get(`/api/v1/jobs/${encodeURIComponent(id)}/events?limit=1000`), LARGE).data;
		({ index } = events.find(({ kind, logged_at }) => kind === entry.kind && logged_at === entry.logged_at) ?? {});
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
		const own = vkey === dataset.vkey && !find("offline")?.checked;
		const bytes = dataset.receipt ? await get(dataset.receipt) : utf8(find("record").value);
		const given = dataset.receipt ? ofReceipt(parseReceipt(bytes), dataset.entry) : await read(bytes);
		given.key = await parseVkey(vkey);
		const origin = decode(given.note, LARGE, "note").split("\n")[0];
		if (policy?.logs.length) given.key = policy.logs.find(({ name }) => name === origin) ?? policy.logs[0];
		if (own && origin === given.key.name) given.get = get;
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
