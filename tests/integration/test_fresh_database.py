"""An import into a database that was just made and knows nothing of its rows yet."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from memsvc import bootstrap
from memsvc.bootstrap import Service
from memsvc.domain.exchange import Writer
from memsvc.settings import ServerSettings, Settings
from memsvc.store import transfer
from tests.waiting import until

_MESSAGES = 1_500
_AT = "2024-05-01T10:00:00+00:00"
_READ = """
SELECT coalesce(sum(idx_scan), 0), coalesce(sum(idx_tup_read), 0)
FROM pg_stat_user_indexes WHERE relname = ANY (ARRAY['message', 'unit'])
"""


@pytest.fixture
def fresh(empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service on a server of the user's own, whose owner is no superuser."""
    monkeypatch.setenv("MEMSVC_DATABASE_URL", empty_url)
    monkeypatch.setenv("MEMSVC_API_KEY", "my-own-key-1234")
    built = bootstrap.build(Settings(ServerSettings(data_dir=tmp_path)))
    yield built
    built.close()


def test_an_import_into_a_fresh_database_reads_one_row_for_each_row_that_another_names(
    fresh: Service, empty_url: str
) -> None:
    with pytest.raises(ValueError, match="no more"):  # what was counted goes with the rows
        fresh.transfer.load(fresh.tenant_id, Writer("key", 1.0), "talk", _Broken(_file(fresh.encoder.name)))
    fresh.transfer.load(fresh.tenant_id, Writer("key", 1.0), "talk", io.BytesIO(_file(fresh.encoder.name)))
    fresh.close()  # a connection that ends hands over what it counted
    with psycopg.connect(empty_url.replace("+psycopg", ""), autocommit=True) as owner:

        def counted() -> Any:
            return owner.execute(_READ).fetchone()

        # Each source names a message and a unit, each link two units, in both imports.
        until(lambda: counted()[0] >= 8 * (_MESSAGES - 1))
        scans, rows = counted()
    assert rows < 10 * scans


class _Broken(io.BytesIO):
    """A file that cannot be read to its end."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if b'"sha256"' in line:
            raise ValueError("no more")
        return line


def _file(encoder: str) -> bytes:
    head = 2 * _MESSAGES
    lines: list[dict[str, Any]] = [{"format": "memsvc-export-1", "encoder": encoder, "head": head, "consolidated": head,
                                    "created_at": _AT, "secrets": None, "statements": []}]  # fmt: skip
    rows = {table.name: list[dict[str, Any]]() for table in transfer.TABLES}
    ids = [f"m{number}" for number in range(_MESSAGES)]
    rows["session"] = [{"id": "s"}]
    rows["exchange"] = [{"id": "e", "session_id": "s", "content_hash": "", "message_ids": ids, "skipped": []}]
    for number, name in enumerate(ids):
        text = f"The ferry {number} leaves."
        rows["message"].append({
            "id": name, "seq": number + 1, "session_id": "s", "exchange_id": "e", "role": "user", "content": text,
            "metadata": {}, "occurred_at": _AT, "content_hash": "", "embedding": "",
        })  # fmt: skip
        rows["unit"].append({
            "id": f"u{number}", "seq": _MESSAGES + number + 1, "exchange_id": "e", "session_id": "s", "kind": "fact",
            "text": text, "core_end": 0, "persons": [], "entities": [], "keywords": [], "topics": [], "artefacts": [],
            "quantities": [], "t_mention": _AT, "salience": 0.5, "confidence": 0.5, "tokens": 7, "status": "active",
            "version": 1, "distiller": "rules", "embedding": "",
        })  # fmt: skip
        rows["unit_source"].append({
            "unit_id": f"u{number}", "ordinal": 0, "message_id": name, "session_id": "s", "start_char": 0,
            "end_char": len(text),
        })  # fmt: skip
        if number:
            rows["link"].append({"src": f"u{number}", "dst": f"u{number - 1}", "kind": "near", "weight": 0.5})
    for seq in range(1, head + 1):
        kind, number = ("message", seq - 1) if seq <= _MESSAGES else ("unit", seq - 1 - _MESSAGES)
        rows["change"].append({"seq": seq, "op": "put", "kind": kind, "ref": f"{kind[0]}{number}"})
    lines += [{"table": table, "row": row} for table, found in rows.items() for row in found]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    last = {"rows": len(lines) - 1, "sha256": hashlib.sha256(body).hexdigest()}
    return body + json.dumps(last).encode() + b"\n"
