import hashlib
import json
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import frictionless
import mlcroissant
import pytest
from bulk_reading import FILES, PUBLIC_URL, TABLES, contents, csv_rows, entry_lines, parquet, sqlite
from ledger_world import HOSTILE, World, with_history, words_of

from ledger.errors import NotFound
from ledger.exports import export, sets
from ledger.exports.words import WORDS
from ledger.records import canonical
from ledger.records.words import index_words
from ledger.storage.shapes import JobFilter
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.merkle import leaf_hash, root_hash
from ledger.tlog.note import parse_vkey
from web.i18n import speaking
from web.telling import dictionary
from web.telling.field_words import words_of as words_of_field


def _sum(rows: list[dict[str, str]], column: str) -> int:
    return sum(int(row[column] or 0) for row in rows)


def test_every_file_is_there_and_is_what_the_sums_say(made: Path) -> None:
    assert {path.name for path in made.iterdir()} == FILES
    assert list(sets.check(made)) == []
    lines = made.joinpath("SHA256SUMS").read_text("ascii").splitlines()
    assert [line.split("  ")[1] for line in lines] == sorted(FILES - {"SHA256SUMS"})
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256(made.joinpath(name).read_bytes()).hexdigest() == digest


def test_counts_and_sums_agree_in_every_file_in_the_api_and_in_the_statistics(
    world: World, made: Path
) -> None:
    lines = entry_lines(made)
    rows = {table: csv_rows(made, table) for table in TABLES}
    with world.reader.at(len(lines)) as view:
        overview = view.overview()
        listed = list(view.every_job(JobFilter()))
        artifacts = view.count_artifacts()
        shares = view.statistics("member-share").rows
    of_jobs = [line for line in lines if _job_of(line["entry"]) is not None]

    counts = {
        "jobs": {
            len(rows["jobs"]),
            overview.jobs,
            len(listed),
            sum(line["entry"]["kind"] == "submitted" for line in lines),
        },
        "events": {len(rows["events"]), len(of_jobs)},
        "artifacts": {
            len(rows["artifacts"]),
            artifacts,
            sum(
                len(line["entry"]["fields"].get("artifacts") or ())
                for line in lines
                if line["entry"]["kind"] == "disclosed"
            ),
        },
    }
    for table in TABLES:
        counts[table] |= {parquet(made, "SELECT count(*) FROM {table}", table)[0][0]}
        counts[table] |= {sqlite(made, f"SELECT count(*) FROM {table}")[0][0]}
        assert len(counts[table]) == 1, (table, counts)
        assert counts[table] != {0}

    for column in ("gpu_seconds", "egress_bytes", "artifact_count"):
        sums = {
            sum(int(row[column] or 0) for table in TABLES[:2] for row in rows[table]) // 2,
            sum(_figure(line["entry"], column) for line in lines),
            sum(getattr(job, column) or 0 for job in listed),
        }
        for table in TABLES[:2]:
            query = f"SELECT sum({column})"
            sums |= {_sum(rows[table], column)}
            sums |= {int(parquet(made, f"{query} FROM {{table}}", table)[0][0])}
            sums |= {sqlite(made, f"{query} FROM {table}")[0][0]}
        if column == "gpu_seconds":
            sums |= {overview.gpu_seconds, sum(int(row[2] or 0) for row in shares)}
        assert len(sums) == 1, (column, sums)
        assert sums != {0}


def _figure(entry: dict[str, Any], column: str) -> int:
    """What one entry adds: egress is counted by the gateway, seconds at the end of a job."""
    public = entry.get("statement", {}).get("public", {})
    found: int = public.get(column, 0)
    return found


def _job_of(entry: dict[str, object]) -> object:
    said = entry.get("statement", entry)
    assert isinstance(said, dict)
    return said.get("job_id")


def test_each_row_says_the_same_in_csv_parquet_sqlite_and_the_api(world: World, made: Path) -> None:
    with world.reader.at() as view:
        listed = list(view.every_job(JobFilter()))
        events = [event for job in listed for event in view.events(job.job_id)]
    rows = csv_rows(made, "jobs")
    assert [row["job_id"] for row in rows] == [job.job_id for job in listed]
    titles = [(job.title,) for job in listed]
    assert parquet(made, "SELECT title FROM {table} ORDER BY submitted_index", "jobs") == titles
    assert sqlite(made, "SELECT title FROM jobs ORDER BY submitted_index") == titles
    times = parquet(made, "SELECT epoch(submitted_at)::BIGINT FROM {table}", "jobs")
    assert [row["submitted_at"] for row in rows] == [
        f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}" for (seconds,) in times
    ]
    flat = {event.index: event for event in events}
    for row in csv_rows(made, "events"):
        event = flat[int(row["index"])]
        assert (row["kind"], row["author"] or None) == (event.kind, event.author)
        assert json.loads(row["public"] or "null") == event.public
        assert (row["reason"] or None, row["sealed_root"] or None) == (
            event.reason,
            event.sealed.root if event.sealed else None,
        )
        assert row["findings"].split() == [each.code for each in event.findings or ()]


def test_columns_have_types_where_the_form_has_them(made: Path) -> None:
    described = {row[0]: row[1] for row in parquet(made, "DESCRIBE SELECT * FROM {table}", "jobs")}
    assert described["submitted_at"] == "TIMESTAMP WITH TIME ZONE"
    assert described["gpu_seconds"] == "BIGINT"
    assert described["weights_unchanged"] == "BOOLEAN"
    assert described["optimizer_targets"] == "VARCHAR[]"
    kinds = dict(sqlite(made, "SELECT name, type FROM pragma_table_info('jobs')"))
    assert (kinds["gpu_seconds"], kinds["title"]) == ("INTEGER", "TEXT")


def test_the_entries_hash_to_the_root_that_the_checkpoint_signs(world: World, made: Path) -> None:
    lines = entry_lines(made)
    leaves = [canonical.encode(line["entry"]) for line in lines]
    assert [leaf_hash(leaf).hex() for leaf in leaves] == [line["leaf_hash"] for line in lines]
    assert [line["index"] for line in lines] == list(range(len(lines)))
    note = made.joinpath("checkpoint").read_bytes()
    signed = open_checkpoint(note, [parse_vkey(world.ledger.vkey)])
    assert (signed.size, signed.root) == (len(leaves), root_hash(list(map(leaf_hash, leaves))))


def test_the_tiles_of_the_proofs_are_those_of_the_log(world: World, made: Path) -> None:
    with tarfile.open(made / "proofs.tar") as tar:
        found = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        leaves = b"".join(
            part.read() for name, part in found.items() if name.startswith("tile/0/") and part
        )
        note = found["checkpoint"]
        assert note is not None
        assert note.read() == made.joinpath("checkpoint").read_bytes()
    assert leaves.hex() == "".join(line["leaf_hash"] for line in entry_lines(made))
    size = len(leaves) // 32
    assert {"README.txt", "vkey", f"tile/1/000.p/{size // 256}"} <= set(found)


def test_what_is_sealed_is_in_no_file(world: World, made: Path) -> None:
    open_ones = {"opened", "early", "hostile", "withheld"}
    secret = words_of(world, [job for job in world.sealed if job not in open_ones])
    seeds = [
        seed for job in world.sealed if job not in open_ones for seed in world.sealed[job].seeds
    ]
    assert len(secret) > 500
    for name, data in contents(made):
        for word in secret:
            assert word.encode() not in data, (name, word)
        for seed in seeds:
            assert seed not in data, name
    withheld = next(word for word in world.sealed["withheld"].words if "purpose" in word)
    assert all(withheld.encode() not in data for _, data in contents(made))


def test_what_is_open_is_found_by_the_search_of_the_database(made: Path) -> None:
    found = sqlite(
        made,
        "SELECT opened_texts.title FROM opened_texts JOIN opened_texts_fts"
        " ON opened_texts_fts.rowid = disclosed_index WHERE opened_texts_fts MATCH ?",
        "refusals",
    )
    assert found == [("How refusals generalise",)]


def test_chinese_is_found_by_two_characters(fresh: World, tmp_path: Path) -> None:
    fresh.log(fresh.submission("job", title="模型安全与红队测试"))
    fresh.days(91)
    fresh.sweep()
    name = export(fresh.ledger.store, tmp_path / "bulk", public_url=PUBLIC_URL)
    query = "SELECT count(*) FROM opened_texts_fts WHERE opened_texts_fts MATCH ?"
    for word in ("安全", "红队"):
        assert word in index_words(["模型安全与红队测试"])
        assert sqlite(tmp_path / "bulk" / name, query, word) == [(1,)]
    assert sqlite(tmp_path / "bulk" / name, query, "攻击") == [(0,)]


def test_no_cell_is_a_formula_and_no_text_breaks_a_row(fresh: World, tmp_path: Path) -> None:
    title = '=HYPERLINK("https://evil.example","a")\r\n,"b'
    fresh.log(fresh.submission("job", title=title), fresh.submission("hostile", title=HOSTILE))
    fresh.days(91)
    fresh.sweep()
    folder = tmp_path / "bulk"
    name = export(fresh.ledger.store, folder, public_url=PUBLIC_URL)
    rows = csv_rows(folder / name, "jobs")
    assert [row["title"] for row in rows] == [f"'{title}", HOSTILE]
    assert parquet(folder / name, "SELECT title FROM {table}", "jobs") == [(title,), (HOSTILE,)]


def test_frictionless_accepts_the_package_and_every_row_of_its_tables(made: Path) -> None:
    package = frictionless.Package.from_descriptor(str(made / "datapackage.json"))
    assert package.licenses[0]["name"] == "CC-BY-4.0"
    report = package.validate()
    unread = {task.name for task in report.tasks if not task.valid}
    # Parquet it reads with PyArrow alone, which nothing here needs. The next test does it instead.
    assert unread == {f"{table}-parquet" for table in TABLES}
    assert {note for (note,) in report.flatten(["note"])} == {
        'Please install "frictionless[parquet]"'
    }
    checked = {task.name: task.stats.get("rows") for task in report.tasks if task.valid}
    for table in TABLES:
        assert checked[table] == len(csv_rows(made, table))
    assert len(checked) == len(package.resources) - len(unread)


def test_the_parquet_files_have_the_columns_and_rows_that_the_package_describes(made: Path) -> None:
    """By DuckDB. What the package calls text may be a list or JSON there, whose text it is."""
    package = json.loads(made.joinpath("datapackage.json").read_bytes())
    resources = {each["path"]: each for each in package["resources"]}
    in_parquet = {
        "integer": {"BIGINT"},
        "boolean": {"BOOLEAN"},
        "datetime": {"TIMESTAMP WITH TIME ZONE"},
        "object": {"JSON"},
        "string": {"VARCHAR", "VARCHAR[]"},
    }
    for table in TABLES:
        described = resources[f"{table}.csv"]["schema"]
        columns = parquet(made, "DESCRIBE SELECT * FROM {table}", table)
        assert [column[0] for column in columns] == [each["name"] for each in described["fields"]]
        for column, field in zip(columns, described["fields"], strict=True):
            assert column[1] in in_parquet[field["type"]], (table, column, field)
            if field.get("constraints", {}).get("required"):
                name = column[0]
                query = f'SELECT count(*) FROM {{table}} WHERE "{name}" IS NULL'
                assert parquet(made, query, table) == [(0,)]
        [key] = described["primaryKey"]
        query = f'SELECT count(*), count(DISTINCT "{key}") FROM {{table}}'
        rows = resources[f"{table}.parquet"]["row_count"]
        assert parquet(made, query, table) == [(rows, rows)]
        for each in described["foreignKeys"]:
            [name], other = each["fields"], each["reference"]
            query = (
                f'SELECT count(*) FROM {{table}} WHERE "{name}" NOT IN (SELECT'
                f" \"{other['fields'][0]}\" FROM '{made}/{other['resource']}.parquet')"
            )
            assert parquet(made, query, table) == [(0,)]


def test_frictionless_refuses_a_table_in_which_a_number_is_none(made: Path, tmp_path: Path) -> None:
    for path in made.iterdir():
        tmp_path.joinpath(path.name).write_bytes(path.read_bytes())
    jobs = tmp_path / "jobs.csv"
    jobs.write_bytes(jobs.read_bytes().replace(b",8,7200,", b",eight,7200,", 1))
    package = frictionless.Package.from_descriptor(str(tmp_path / "datapackage.json"))
    report = package.get_resource("jobs").validate()
    assert {row[0] for row in report.flatten(["title"])} >= {"Type Error", "Hash Count Error"}


# What its own reader of RDF is about to change is not ours.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mlcroissant_loads_the_description_and_reads_records_by_it(made: Path) -> None:
    dataset = mlcroissant.Dataset(jsonld=str(made / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    records = list(dataset.records("artifacts"))
    rows = csv_rows(made, "artifacts")
    assert [each["artifacts/digest"].decode() for each in records] == [
        row["digest"] for row in rows
    ]


def test_the_descriptions_name_every_file_with_its_digest_and_every_column_with_its_words(
    made: Path,
) -> None:
    package = json.loads(made.joinpath("datapackage.json").read_bytes())
    data = FILES - {"SHA256SUMS", "datapackage.json", "croissant.json", "dataset.jsonld"}
    sums = sets.sums_of(made)
    assert {each["path"]: each["hash"] for each in package["resources"]} == {
        name: f"sha256:{sums[name]}" for name in data
    }
    for name in ("croissant.json", "dataset.jsonld"):
        files = json.loads(made.joinpath(name).read_bytes())["distribution"]
        assert {each["name"]: each["sha256"] for each in files} == {n: sums[n] for n in data}
    for each in package["resources"]:
        if each.get("type") == "table":
            header = next(iter(csv_rows(made, each["name"]))).keys()
            assert [field["name"] for field in each["schema"]["fields"]] == list(header)
            assert all(field["description"] for field in each["schema"]["fields"])
    metadata = json.loads(made.joinpath("metadata.json").read_bytes())
    tables = metadata["databases"]["ledger"]["tables"]
    for table in (*TABLES, "opened_texts"):
        columns = {
            name for (name,) in sqlite(made, f"SELECT name FROM pragma_table_info('{table}')")
        }
        assert set(tables[table]["columns"]) == columns
    assert metadata["license_url"].endswith("/by/4.0/")


def test_columns_of_jobs_are_described_as_in_the_dictionary_of_the_site() -> None:
    with speaking("en"):
        for field in dictionary.fields():
            if field.record == "job":
                meaning = words_of_field(field.record, field.name)[1]
                assert WORDS["jobs"][field.name] == meaning


@pytest.mark.parametrize("name", sorted(FILES))
def test_one_changed_byte_in_any_file_is_noticed(made: Path, tmp_path: Path, name: str) -> None:
    for path in made.iterdir():
        tmp_path.joinpath(path.name).write_bytes(path.read_bytes())
    data = bytearray(tmp_path.joinpath(name).read_bytes())
    data[len(data) // 2] ^= 1
    tmp_path.joinpath(name).write_bytes(data)
    try:
        found = list(sets.check(tmp_path))
    except sets.SetDamaged:
        found = [name]
    assert found
    if name != "SHA256SUMS":
        assert all(name in line for line in found)


def test_an_export_of_an_earlier_size_is_the_one_that_was_made_then(
    fresh: World, tmp_path: Path
) -> None:
    store = fresh.ledger.store
    fresh.log(fresh.submission("before", title="=1+1"))
    fresh.run("before")
    size = fresh.reader.tree_size()
    then = tmp_path / "then" / export(store, tmp_path / "then", public_url=PUBLIC_URL)
    with_history(fresh)
    later = tmp_path / "later" / export(store, tmp_path / "later", public_url=PUBLIC_URL, size=size)
    assert then.name == later.name
    for name in FILES:
        assert then.joinpath(name).read_bytes() == later.joinpath(name).read_bytes(), name
    with pytest.raises(NotFound, match="no checkpoint was published at"):
        export(store, tmp_path / "never", public_url=PUBLIC_URL, size=size + 1)


def test_the_list_of_jobs_is_the_one_that_the_site_serves(world: World, made: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
    from browser import Browser  # noqa: PLC0415 - it lies there

    from web.app import create_app  # noqa: PLC0415 - as above

    size = sets.size_of(made.name)
    with Browser(create_app(world.ledger, public_url=PUBLIC_URL)) as browser:
        served = browser.get(f"/jobs.csv?at={size}")
    assert served.body == made.joinpath("jobs.csv").read_bytes()
