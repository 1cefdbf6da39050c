"""The scripts that verify in the reader's browser, held against golden vectors and against Python.

The vectors come from Go's packages; three programs that share no code have to agree on them and on
what is spoilt: the ledger, ``scripts/verify.py``, and these scripts.
"""

import hashlib
import hmac
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ledger_world import World
from nacl.signing import SigningKey
from playwright.sync_api import Browser, Page
from tabs import tabs
from test_verify_tampering import TAMPERINGS
from verifying import attempts, b64, in_page, receipt_of, spoil

from ledger.errors import FormatError, LedgerError
from ledger.records import canonical
from ledger.records.commitment import commit, partial_opening
from ledger.tlog.cosignature import cosign
from ledger.tlog.merkle import leaf_hash, root_hash
from ledger.tlog.note import COSIGNATURE, Signer, parse_note, parse_vkey, sign_note
from ledger.tlog.policy import check_policy, parse_policy
from ledger.tlog.proof import parse_proof, verify_proof
from ledger.tlog.tiles import Tile, tile_path

sys.path.insert(0, str(Path(__file__).parents[1] / "tlog"))
sys.path.insert(0, str(Path(__file__).parents[1] / "verify"))

from golden_vectors import read_golden
from verify_runner import run_text

TREE = """
const leaves = [];
for (let n = 0; n < given.size; n++) leaves.push(await m.leafHash(m.utf8(`entry-${n}`)));
const levels = [leaves];
while (levels.at(-1).length > 255) {
  const below = levels.at(-1), above = [];
  for (let n = 0; n + 256 <= below.length; n += 256) {
    above.push(await m.treeRoot(below.slice(n, n + 256)));
  }
  levels.push(above);
}
const asked = [];
const treeOf = (size) => new m.Tiles(BigInt(size), async (path) => {
  asked.push(path);
  const [, level, rest] = /^tile\\/(\\d)\\/(.*)$/.exec(path);
  const [name, width = 256] = rest.split(".p/");
  const n = Number(name.replace(/[x/]/g, "")) * 256;
  const hashes = levels[level].slice(n, n + Number(width));
  return Uint8Array.from(hashes.flatMap((hash) => [...hash]));
});
"""


@pytest.fixture(scope="module")
def page(browser: Browser, site_url: str) -> Iterator[Page]:
    with tabs(browser, lambda: site_url) as opened:
        tab = opened()
        tab.goto("/en/verify")
        yield tab


@pytest.fixture(params=["webcrypto", "own"])
def script(request: pytest.FixtureRequest, page: Page) -> Page:
    """The page with WebCrypto, and with the scripts' own hashes and curve."""
    off = "undefined" if request.param == "own" else "globalThis.crypto.subtle"
    in_page(page, f"m.engine.subtle = {off}")
    return page


def test_hashes_are_those_of_hashlib_at_every_length(script: Page) -> None:
    data = random.Random(1).randbytes(400)
    given = {"data": b64(data), "lengths": list(range(300))}
    found = in_page(
        script,
        """const data = bytes(given.data), found = [];
        const script = document.querySelector("script[src$='page.js']").src;
        const { sha2 } = await import(new URL("sha2.js", script));
        for (const n of given.lengths) found.push([await m.sha256(data.subarray(0, n)),
          sha2(256, data.subarray(0, n)), sha2(512, data.subarray(0, n))]);
        return found;""",
        given,
    )
    for n, each in enumerate(found):
        part = data[:n]
        narrow = hashlib.sha256(part).hexdigest()
        assert each == [narrow, narrow, hashlib.sha512(part).hexdigest()]


def test_signatures_hold_exactly_where_libsodium_says_so(script: Page) -> None:
    dice = random.Random(2)
    cases: list[tuple[bytes, bytes, bytes, bool]] = []
    for n in range(12):
        key = SigningKey(dice.randbytes(32))
        public, message = bytes(key.verify_key), dice.randbytes(n * 40)
        signature = key.sign(message).signature
        bit = dice.randrange(512)
        spoilt = bytearray(signature)
        spoilt[bit >> 3] ^= 1 << (bit & 7)
        # S + L verifies for a careless verifier: a second signature from the first.
        order = 2**252 + 27742317777372353535851937790883648493
        scalar = int.from_bytes(signature[32:], "little") + order
        cases += [
            (public, message, signature, True),
            (public, message, bytes(spoilt), False),
            (public, message + b"!", signature, False),
            (bytes(SigningKey(dice.randbytes(32)).verify_key), message, signature, False),
            (public, message, signature[:32] + scalar.to_bytes(32, "little"), False),
            (public, message, signature[:-1], False),
        ]
    # Keys of small order: for them one signature fits every message.
    for small in (bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"):
        cases.append((small, b"any", b"\x01" + bytes(63), False))
    found = in_page(
        script,
        """const found = [];
        for (const [key, message, signature] of given) {
          found.push(await m.ed25519(bytes(key), bytes(message), bytes(signature)));
        }
        return found;""",
        [[b64(key), b64(message), b64(signature)] for key, message, signature, _ in cases],
    )
    assert found == [holds for *_, holds in cases]


def test_golden_roots_paths_and_consistency_come_from_tiles(script: Page) -> None:
    golden = read_golden()
    sizes = sorted(int(size) for size in golden.values["roots"] if 0 < int(size) <= 1000)
    pairs = [tuple(map(int, pair.split("->"))) for pair in golden.values["consistency"]]
    found = in_page(
        script,
        TREE
        + """
        const roots = {}, paths = [], pairs = [];
        for (const size of given.sizes) roots[size] = await treeOf(size).root(0n, BigInt(size));
        for (const size of [1, 2, 3, 7, 255, 256, 257, 1000]) {
          for (const index of [0, size >> 1, size - 1]) {
            const path = await treeOf(size).path(BigInt(index));
            const { root } = await m.walk(leaves[index], BigInt(index), BigInt(size), path);
            paths.push([size, index, path, root]);
          }
        }
        const four = await treeOf(7).path(4n);
        for (const [old, size] of given.pairs) {
          pairs.push(await treeOf(size).both(BigInt(old)));
        }
        return { roots, paths, pairs, asked, four };""",
        {"size": 1000, "sizes": sizes, "pairs": pairs},
    )
    for size in sizes:
        assert b64(bytes.fromhex(found["roots"][str(size)])) == golden.values["roots"][str(size)]
    for size, _, _, root in found["paths"]:
        assert bytes.fromhex(root) == root_hash(golden.leaves[:size])
    for (old, size), roots in zip(pairs, found["pairs"], strict=True):
        wanted = [root_hash(golden.leaves[:old]).hex(), root_hash(golden.leaves[:size]).hex()]
        assert roots == wanted
    four = [b64(bytes.fromhex(each)) for each in found["four"]]
    assert four == golden.values["inclusion"]["4 in 7"]
    assert {"tile/0/003.p/232", "tile/1/000.p/3", "tile/0/000"} <= set(found["asked"])


def test_every_consistency_of_small_trees_is_right(script: Page) -> None:
    leaves = read_golden().leaves
    found = in_page(
        script,
        TREE
        + """const found = [];
        for (let size = 1; size <= 40; size++) {
          for (let old = 1; old <= size; old++) found.push(await treeOf(size).both(BigInt(old)));
        }
        return found;""",
        {"size": 40},
    )
    roots = [root_hash(leaves[:size]).hex() for size in range(41)]
    assert found == [
        [roots[old], roots[size]] for size in range(1, 41) for old in range(1, size + 1)
    ]


def test_every_path_of_small_trees_leads_to_the_root_and_no_other_index_does(page: Page) -> None:
    found = in_page(
        page,
        TREE
        + """const found = [];
        for (let size = 1; size <= 18; size++) for (let index = 0; index < size; index++) {
          const path = await treeOf(size).path(BigInt(index));
          const ends = [];
          for (let other = 0; other <= size; other++) {
            try {
              ends.push((await m.walk(leaves[index], BigInt(other), BigInt(size), path)).root);
            } catch (error) { ends.push(error.code); }
          }
          found.push([index, size, await treeOf(size).root(0n, BigInt(size)), ends]);
        }
        return found;""",
        {"size": 18},
    )
    for index, _size, root, ends in found:
        assert [at for at, end in enumerate(ends) if end == root] == [index]
        assert ends[-1] == "index"


def test_names_of_tiles_are_those_of_the_specification(page: Page) -> None:
    tiles = [(0, 0, 256), (1, 67, 5), (0, 1067, 256), (2, 1234067, 1), (0, 999, 255), (3, 10**9, 8)]
    found = attempts(page, "m.tilePath(value[0], BigInt(value[1]), value[2])", tiles)
    assert found == [[tile_path(Tile(*each))] for each in tiles]


def test_the_golden_checkpoint_is_signed_and_cosigned(script: Page) -> None:
    golden = read_golden()
    log, witness = golden.values["log"]["vkey"], golden.values["witness"]["vkey"]
    policies = {
        f"log {log}\nwitness W {witness} https://w.example\ngroup one 1 W\nquorum one\n": [
            "W, one"
        ],
        f"log {log}\nquorum none\n": [""],
        f"log {log}\nwitness W {witness}\ngroup all all W\nquorum W\n": ["W, all"],
        f"log {log}\n# a comment\n\nwitness W {log}\nquorum W\n": "policy",
        f"log {log}\nquorum W\n": "policy",
        f"log {log}\nwitness W {witness}\nwitness V {witness}\nquorum W\n": "policy",
        f"log {log}\nwitness W {witness}\ngroup g 2 W\nquorum g\n": "policy",
        f"log {log}\nwitness W {witness}\ngroup g 1 W\ngroup h 1 W\nquorum g\n": "policy",
        f"log {log}\nwitness none {witness}\nquorum none\n": "policy",
        f"log {log}\nbanana\nquorum none\n": "policy",
        f"log {log}\n": "policy",
        f"log {log}\nquorum none\nquorum none\n": "policy",
        f"log {log}\ngroup g any none\nquorum g\n": "policy",
    }
    call = f"""(async () => {{
      const note = m.parseNote(bytes("{b64(golden.cp3)}"));
      const policy = await m.parsePolicy(value);
      const checkpoint = await m.openCheckpoint(note, policy.logs[0]);
      if (m.toHex(checkpoint.root) !== "{root_hash(golden.leaves[:3]).hex()}") return "root";
      return m.checkPolicy(note, policy);
    }})()"""
    assert attempts(script, call, list(policies)) == list(policies.values())
    for text, wanted in policies.items():
        if wanted == "policy":
            with pytest.raises(FormatError):
                parse_policy(text)
        else:
            assert check_policy(golden.cp3, parse_policy(text)).size == 3


def test_a_quorum_that_is_not_there_and_a_cosignature_that_fails_are_refused(script: Page) -> None:
    log = Signer("ledger.example/log", b"\x11" * 32)
    witnesses = [
        Signer(f"w{n}.example", bytes([n]) * 32, key_type=COSIGNATURE) for n in range(1, 4)
    ]
    text = f"ledger.example/log\n5\n{b64(bytes(32))}\n"
    lines = [cosign(text, signer=each, time_s=1_790_000_000).line.encode() for each in witnesses]
    names = "".join(f"witness W{n} {each.vkey}\n" for n, each in enumerate(witnesses, 1))
    policy = f"log {log.vkey}\n{names}group most 2 W1 W2 W3\nquorum most\n"
    note = sign_note(text, [log])
    other_time = cosign(text, signer=witnesses[0], time_s=1_790_000_001).line.encode()
    forged = bytearray(lines[1])
    forged[-20] = ord("A") if forged[-20] != ord("A") else ord("B")
    notes = {
        note + lines[0] + lines[1]: ["W1, W2, most"],
        note + lines[0] + lines[1] + lines[2]: ["W1, W2, W3, most"],
        note + lines[0] + lines[0]: "quorum",
        note + lines[0] + other_time: "quorum",
        note + lines[2]: "quorum",
        note: "quorum",
        note + lines[0] + bytes(forged) + lines[2]: "cosignature",
    }
    call = f"""(async () => m.checkPolicy(
      m.parseNote(bytes(value)), await m.parsePolicy({json.dumps(policy)})))()"""
    assert attempts(script, call, [b64(each) for each in notes]) == list(notes.values())
    for each, wanted in notes.items():
        if isinstance(wanted, list):
            check_policy(each, parse_policy(policy))
        else:
            with pytest.raises(LedgerError):
                check_policy(each, parse_policy(policy))


def test_the_example_of_the_signed_note_specification_verifies(script: Page) -> None:
    example = read_golden().values["signed_note_example"]
    note = f"{example['text']}\n{example['line'].rstrip()}\n"
    found = in_page(
        script,
        """const key = await m.parseVkey(given.vkey), note = m.parseNote(bytes(given.note));
        return m.ed25519(key.key, m.utf8(note.text), note.lines[0].blob);""",
        {"vkey": example["vkey"], "note": b64(note.encode())},
    )
    assert found is True


def test_a_signature_line_has_a_name_by_the_specification(script: Page) -> None:
    text = f"ledger.example/log\n5\n{b64(bytes(32))}\n"
    signed = sign_note(text, [Signer("ledger.example/log", b"\x11" * 32)]).decode()
    wanted: dict[str, object] = {
        "\u2028": "note",
        "\u00a0": "note",
        "\u0085": "note",
        "+": "note",
        "\x1f": "note",
    }
    wanted |= {"\x7f": [2], "\ufeff": [2], "\u200b": [2]}
    notes = [f"{signed}— w{char}1 {b64(bytes(8))}\n".encode() for char in wanted]
    call = "m.parseNote(bytes(value)).lines.length"
    assert attempts(script, call, [b64(each) for each in notes]) == list(wanted.values())
    for each, found in zip(notes, wanted.values(), strict=True):
        if found == "note":
            with pytest.raises(FormatError):
                parse_note(each)
        else:
            assert [len(parse_note(each).signatures)] == found


def test_vkeys_have_one_spelling(page: Page) -> None:
    good = read_golden().values["log"]["vkey"]
    name, number, key = good.split("+", 2)
    bad = [
        f"{name}+{number.upper()}+{key}",
        f"{name}x+{number}+{key}",
        f"{name}+00000000+{key}",
        f"{name}+{number}+{key[:-1]}",
        f"{name}+{number}+{key}=",
        f" {good}",
        f"{good}\n",
        f"{name}+{number}",
        "",
    ]
    found = attempts(page, "m.parseVkey(value).then((key) => key.id)", [good, *bad])
    assert found == [[f"{parse_vkey(good).key_id:08x}"], *["vkey"] * len(bad)]


def test_canonical_json_is_that_of_the_ledger_and_everything_else_is_refused(page: Page) -> None:
    right: list[Any] = [
        {"b": [1, -5, True, None], "a": {"x_y.z": 'é\u2028"\\\n\u0000\u007f😀'}},
        [2**53 - 1, 1 - 2**53, 0],
        {"10": 1, "9": 2, "_": {"__proto__": 1}},
        "plain",
        {"a": {}, "b": []},
        [[[[[[[[1]]]]]]]],
    ]
    spelt = [canonical.encode(value) for value in right]
    wrong = [
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a": 1}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":-0}',
        b'{"a":9007199254740992}',
        b'{"a":9007199254740993}',
        b'{"A":1}',
        b'{"a-b":1}',
        b'{"a..b":1}',
        b'"\\u0041"',
        b'"\\ud800"',
        b'"\\/"',
        b'{"a":1}\n',
        b"\xef\xbb\xbf{}",
        b'"\xff"',
        b"[[[[[[[[[1]]]]]]]]]",
        b"NaN",
        b"",
        b"[" * 50_000,
    ]
    for each in wrong:
        with pytest.raises(FormatError):
            canonical.decode(each, limit=65_535)
    call = "m.canonical(m.parseCanonical(bytes(value), 65535))"
    found = attempts(page, call, [b64(each) for each in [*spelt, *wrong]])
    assert found[: len(right)] == [[each.decode()] for each in spelt]
    assert {each for each in found[len(right) :] if isinstance(each, str)} <= {"json", "spelling"}
    assert all(isinstance(each, str) for each in found[len(right) :])


def test_openings_give_the_root_that_the_ledger_commits_to(script: Page) -> None:
    seed = bytes(range(32))
    fields = {"title": "安全", "tokens.input": 5, "source": None, "metrics": [{"n": 1}]}
    root = commit(seed, fields).hex()
    part = partial_opening(seed, fields, ["title", "source"]).to_dict()
    whole = {"fields": fields, "seed": b64(seed)}
    salt = hmac.digest(seed, b"apsci-ledger/salt/1\x00title", "sha256")[:16]
    openings: list[tuple[Any, Any]] = [
        (whole, root),
        (part, root),
        (whole | {"fields": fields | {"title": "安"}}, None),
        (part | {"closed": part["closed"] | {"title": "AB" * 32}}, "shape"),
        (part | {"salts": part["salts"] | {"metrics": b64(salt)}}, None),
        (part | {"salts": part["salts"] | {"metrics": "AA"}}, "shape"),
        (part | {"fields": part["fields"] | {"title": "安全"}}, "shape"),
        (whole | {"seed": b64(seed[:-1])}, "shape"),
    ]
    call = "m.openingRoot(value).then(({ root }) => m.toHex(root))"
    found = attempts(script, call, [opening for opening, _ in openings])
    for each, (_, wanted) in zip(found, openings, strict=True):
        if wanted is None:
            assert isinstance(each, list)
            assert each != [root]
        else:
            assert each == ([wanted] if wanted == root else wanted)


def test_the_golden_receipt_leads_to_its_root(script: Page) -> None:
    golden = read_golden()
    found = in_page(
        script,
        """const receipt = m.parseReceipt(bytes(given.receipt)), note = m.parseNote(receipt.note);
        const { size, root } = await m.openCheckpoint(note, await m.parseVkey(given.vkey));
        const leaf = await m.leafHash(m.utf8("entry-777"));
        const end = await m.walk(leaf, receipt.index, size, receipt.path);
        return [receipt.index, size, m.same(end.root, root)];""",
        {"receipt": b64(golden.p777), "vkey": golden.values["log"]["vkey"]},
    )
    assert found == [777, 1000, True]


def test_three_programs_agree_on_receipts_right_and_spoilt(
    page: Page, world: World, tmp_path: Path
) -> None:
    in_page(page, "m.engine.subtle = globalThis.crypto.subtle")
    vkey = world.ledger.vkey
    receipts = {"right": receipt_of(world, 1), "right, in part": receipt_of(world, 6)}
    for name, case in TAMPERINGS.items():
        receipts[name] = spoil(receipt_of(world, 6 if case.job == "withheld" else 1), case.change)
    told = {}
    for name, receipt in receipts.items():
        file = tmp_path / f"{name.replace(' ', '-')}.tlog-proof"
        file.write_bytes(receipt)
        evidence = tmp_path / "evidence"
        status, _, _ = run_text("proof", file, "--vkey", vkey, "--evidence", evidence)
        told[name] = [status == 0, _ledger_says(receipt, vkey), _browser_says(page, receipt, vkey)]
    assert told == {name: [name.startswith("right")] * 3 for name in receipts}


def _ledger_says(receipt: bytes, vkey: str) -> bool:
    try:
        proof = parse_proof(receipt)
        assert proof.extra is not None
        extra = json.loads(proof.extra)
        entry = extra["entry"]
        verify_proof(proof, leaf=leaf_hash(canonical.encode(entry)), verifiers=[parse_vkey(vkey)])
        sealed, opening = entry["statement"]["sealed"], extra["opening"]
        return _root_of(opening) == sealed["root"]
    except LedgerError:
        return False


def _root_of(opening: Any) -> str:
    if "seed" in opening:
        return commit(bytes.fromhex(_hex(opening["seed"])), opening["fields"]).hex()
    leaves = {path: bytes.fromhex(leaf) for path, leaf in opening["closed"].items()}
    for path, value in opening["fields"].items():
        leaves[path] = leaf_hash(canonical.encode([path, opening["salts"][path], value]))
    return root_hash([leaves[path] for path in sorted(leaves)]).hex()


def _hex(text: str) -> str:
    return canonical.decode_base64(text).hex()


def _browser_says(page: Page, receipt: bytes, vkey: str) -> bool:
    found = in_page(
        page,
        """try {
          const receipt = m.parseReceipt(bytes(given.receipt)), { index, note } = receipt;
          const key = await m.parseVkey(given.vkey);
          return (await v.verify({ receipt, key, index, note }, () => {})).verdict;
        } catch (error) { return error.code; }""",
        {"receipt": b64(receipt), "vkey": vkey},
    )
    return found == "anonymous"
