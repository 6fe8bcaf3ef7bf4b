"""A tenant with so much in every table that a statement without an index is told by its plan."""

from __future__ import annotations

import uuid

import numpy as np
import psycopg
import sqlalchemy as sa

from memsvc.bootstrap import Service

# Rows of each of the large tables in each of the namespaces that are full, and namespaces.
EACH = 2_000
FULL = 6
NAMESPACES = 2_000
_FILL = """
INSERT INTO namespace (tenant_id, id, name, encoder)
    SELECT :tenant, gen_random_uuid(), 'crowd-' || g, :encoder FROM generate_series(2, :namespaces) g;
INSERT INTO directory SELECT tenant_id, name, id FROM namespace WHERE name LIKE 'crowd-%';
CREATE TEMPORARY TABLE here ON COMMIT DROP AS
    SELECT tenant_id, id AS namespace_id FROM namespace
    WHERE tenant_id = :tenant AND (name = 'n' OR name = ANY (SELECT 'crowd-' || g FROM generate_series(2, :full) g));
INSERT INTO session (tenant_id, namespace_id, id)
    SELECT here.*, 'bs' || g FROM here, generate_series(0, 99) g;
INSERT INTO exchange (tenant_id, namespace_id, id, session_id, content_hash, message_ids, skipped)
    SELECT here.*, 'be' || g, 'bs' || g % 100, '', ARRAY['bm' || g], '[]' FROM here, generate_series(1, :each) g;
INSERT INTO message (tenant_id, namespace_id, id, seq, session_id, exchange_id, role, speaker, content, metadata,
                     occurred_at, content_hash, tokens, embedding)
    SELECT here.*, 'bm' || g, 1000 + g, 'bs' || g % 100, 'be' || g, 'user', 'Ana', 'The ferry ' || g || ' leaves.', '{}',
           now() - g * interval '1 minute', '', 7, :rows FROM here, generate_series(1, :each) g;
INSERT INTO unit (tenant_id, namespace_id, id, seq, exchange_id, session_id, kind, text, core_end, persons, entities,
                  keywords, topics, artefacts, quantities, t_mention, salience, confidence, tokens, status, version,
                  superseded_by, distiller, embedding)
    SELECT here.*, 'bu' || g, 1000 + :each + g, 'be' || g, 'bs' || g % 100, 'fact', 'The ferry ' || g || ' leaves.', 5,
           '{}', '{}', '{}', '[]', '[]', '[]', now() - g * interval '1 minute', 0.5, 0.5, 7,
           CASE WHEN g % 50 = 7 THEN 'superseded' WHEN g % 50 = 9 THEN 'merged' ELSE 'active' END, 1,
           CASE WHEN g % 50 IN (7, 9) THEN 'bu' || g - 1 END, 'rules', :row FROM here, generate_series(1, :each) g;
INSERT INTO unit_source (tenant_id, namespace_id, unit_id, ordinal, message_id, session_id, start_char, end_char)
    SELECT here.*, 'bu' || g, 0, 'bm' || g, 'bs' || g % 100, 0, 5 FROM here, generate_series(1, :each) g;
INSERT INTO unit_version (tenant_id, namespace_id, unit_id, version, cause, state, recorded_at)
    SELECT here.*, 'bu' || g, 0, 'distilled', '{"status": "active", "superseded_by": null}', now()
    FROM here, generate_series(1, :each) g;
INSERT INTO unit_access (tenant_id, namespace_id, unit_id, recalls, last_at)
    SELECT here.*, 'bu' || g, 1, now() FROM here, generate_series(1, :each) g;
INSERT INTO link (tenant_id, namespace_id, src, dst, kind, weight)
    SELECT here.*, 'bu' || g, 'bu' || g - 1, CASE WHEN g % 50 = 7 THEN 'doubts' ELSE 'near' END, 1.0 / g
    FROM here, generate_series(2, :each) g;
INSERT INTO judgement (tenant_id, namespace_id, earlier, later, digest, judged_by)
    SELECT here.*, 'bu' || g - 1, 'bu' || g, '', '' FROM here, generate_series(2, :each) g;
INSERT INTO reason (tenant_id, namespace_id, src, dst, digest, text, told_by, prompt_version)
    SELECT here.*, 'bu' || g - 1, 'bu' || g, '', 'They sail.', '', 1 FROM here, generate_series(2, :each) g;
INSERT INTO asked (tenant_id, namespace_id, message_id, digest)
    SELECT here.*, 'bm' || g, '' FROM here, generate_series(1, :each) g;
INSERT INTO change (tenant_id, namespace_id, seq, op, kind, ref)
    SELECT here.*, 1000 + g, 'put', CASE WHEN g > :each THEN 'unit' ELSE 'message' END,
           CASE WHEN g > :each THEN 'bu' || g - :each ELSE 'bm' || g END FROM here, generate_series(1, 2 * :each) g;
INSERT INTO episode (tenant_id, namespace_id, id, medoid, start_at, end_at)
    SELECT here.*, 'bp' || g, 'bu' || g, now(), now() FROM here, generate_series(1, 500) g;
INSERT INTO segment (tenant_id, namespace_id, id, episode_id, session_id, unit_ids, medoid, start_at, end_at)
    SELECT here.*, 'bg' || g, 'bp' || g / 5 + 1, 'bs1', ARRAY['bu' || g], 'bu' || g, now(), now()
    FROM here, generate_series(1, :each - 5) g;
INSERT INTO record (tenant_id, namespace_id, path, key, value, updated_at)
    SELECT here.*, ARRAY['p' || g % 100, 'q'], 'bk' || g, '{}', now() - g * interval '1 second'
    FROM here, generate_series(1, :each) g;
INSERT INTO idempotency (tenant_id, namespace_id, key, request_hash, response)
    SELECT here.*, 'bi' || g, '', '{}' FROM here, generate_series(1, :each) g;
INSERT INTO job (tenant_id, id, namespace_id, kind, idem_key, state, payload, finished_at)
    SELECT here.tenant_id, gen_random_uuid(), here.namespace_id, 'consolidate', 'bj' || g,
           CASE WHEN g % 500 = 7 THEN 'dead' ELSE 'done' END, '{}', now() FROM here, generate_series(1, :each) g;
INSERT INTO tombstone (tenant_id, digest)
    SELECT :tenant, sha256(('b' || g)::bytea) FROM generate_series(1, :full * :each) g;
INSERT INTO audit (tenant_id, seq, at, actor, action, target, counts, previous, hash)
    SELECT :tenant, 1000 + g, now(), 'operator', 'erase', 'message', '{}', '', '' FROM generate_series(1, :full * :each) g;
UPDATE namespace SET head = 1000 + 2 * :each WHERE tenant_id = :tenant AND id IN (SELECT namespace_id FROM here)
"""


def fill(service: Service, tenant_id: uuid.UUID) -> None:
    """Fill the namespace `n` of the tenant, and as many others beside it; the statistics are those of now."""
    assert service.postgres is not None
    width = service.encoder.width
    row = np.full(width, width**-0.5, dtype="<f4").tobytes()
    given = {"tenant": tenant_id, "encoder": service.encoder.name, "namespaces": NAMESPACES, "full": FULL,
             "each": EACH, "row": row, "rows": row * 2}  # fmt: skip
    with service.database.tenant(tenant_id) as connection:
        for statement in _FILL.split(";"):
            connection.execute(sa.text(statement), given)
    with psycopg.connect(service.postgres.owner_url, autocommit=True) as owner:
        owner.execute("ANALYZE")
