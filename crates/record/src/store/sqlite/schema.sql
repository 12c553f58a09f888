-- The record on SQLite. Columns and meaning are those of ../postgres/schema.sql, where they are explained;
-- what differs is how SQLite clusters rows: by row id where rows should lie in the order they were written.

CREATE TABLE locator (
  shard INTEGER NOT NULL, type INTEGER NOT NULL, id TEXT NOT NULL, rid INTEGER NOT NULL, home INTEGER NOT NULL,
  PRIMARY KEY (shard, type, id)
) WITHOUT ROWID;
CREATE INDEX locator_rid ON locator (rid);
CREATE INDEX locator_url ON locator (id) WHERE type = 0;

CREATE TABLE resource (
  rid INTEGER PRIMARY KEY, shard INTEGER NOT NULL, type INTEGER NOT NULL, id TEXT NOT NULL,
  version INTEGER NOT NULL, at INTEGER NOT NULL, method INTEGER NOT NULL, body BLOB,
  subject INTEGER NOT NULL, keeper INTEGER NOT NULL, label INTEGER NOT NULL
);
CREATE INDEX resource_type ON resource (type, rid) WHERE body IS NOT NULL;
CREATE INDEX resource_at ON resource (type, at, rid) WHERE body IS NOT NULL;
CREATE INDEX resource_subject ON resource (subject, keeper);

CREATE TABLE history (
  rid INTEGER NOT NULL, version INTEGER NOT NULL, shard INTEGER NOT NULL, at INTEGER NOT NULL,
  method INTEGER NOT NULL, body BLOB,
  subject INTEGER NOT NULL, keeper INTEGER NOT NULL, label INTEGER NOT NULL,
  UNIQUE (rid, version, shard)
);

CREATE TABLE feed (
  seq INTEGER PRIMARY KEY, shard INTEGER NOT NULL, rid INTEGER NOT NULL, type INTEGER NOT NULL,
  version INTEGER NOT NULL, at INTEGER NOT NULL, method INTEGER NOT NULL,
  actor INTEGER NOT NULL, purpose INTEGER NOT NULL, request TEXT NOT NULL
);
CREATE INDEX feed_type ON feed (type, seq);

CREATE TABLE tok (
  rid INTEGER NOT NULL, param INTEGER NOT NULL, grp INTEGER NOT NULL, code TEXT NOT NULL, system INTEGER NOT NULL,
  shard INTEGER NOT NULL, near INTEGER NOT NULL,
  PRIMARY KEY (rid, param, grp, code, system)
) WITHOUT ROWID;
CREATE INDEX tok_value ON tok (param, code, rid, system);
CREATE INDEX tok_near ON tok (shard, param, code, rid, system) WHERE near = 1;

CREATE TABLE ref (
  rid INTEGER NOT NULL, param INTEGER NOT NULL, grp INTEGER NOT NULL, target INTEGER NOT NULL, ttype INTEGER NOT NULL,
  shard INTEGER NOT NULL,
  PRIMARY KEY (rid, param, grp, target)
) WITHOUT ROWID;
CREATE INDEX ref_value ON ref (target, param, rid);

CREATE TABLE str (
  rid INTEGER NOT NULL, param INTEGER NOT NULL, grp INTEGER NOT NULL, folded TEXT NOT NULL, exact TEXT NOT NULL,
  shard INTEGER NOT NULL,
  PRIMARY KEY (rid, param, grp, folded, exact)
) WITHOUT ROWID;
CREATE INDEX str_value ON str (param, folded, rid);

CREATE TABLE date (
  rid INTEGER NOT NULL, param INTEGER NOT NULL, grp INTEGER NOT NULL, lo INTEGER NOT NULL, hi INTEGER NOT NULL,
  shard INTEGER NOT NULL,
  PRIMARY KEY (rid, param, grp, lo, hi)
) WITHOUT ROWID;
CREATE INDEX date_lo ON date (param, lo, rid);
CREATE INDEX date_hi ON date (param, hi, rid);

CREATE TABLE qty (
  rid INTEGER NOT NULL, param INTEGER NOT NULL, grp INTEGER NOT NULL, lo REAL NOT NULL, hi REAL NOT NULL,
  system INTEGER NOT NULL, code TEXT NOT NULL, shard INTEGER NOT NULL,
  PRIMARY KEY (rid, param, grp, lo, hi, system, code)
) WITHOUT ROWID;
CREATE INDEX qty_lo ON qty (param, lo, rid);
CREATE INDEX qty_hi ON qty (param, hi, rid);

CREATE TABLE tie (
  rid INTEGER NOT NULL, kind INTEGER NOT NULL, subject INTEGER NOT NULL, party INTEGER NOT NULL, what INTEGER NOT NULL,
  mask INTEGER NOT NULL, lo INTEGER NOT NULL, hi INTEGER NOT NULL, shard INTEGER NOT NULL,
  PRIMARY KEY (rid, kind, subject, party, what, mask, lo)
) WITHOUT ROWID;
CREATE INDEX tie_subject ON tie (subject, kind, hi);

CREATE TABLE name (
  shard INTEGER NOT NULL, kind INTEGER NOT NULL, text TEXT NOT NULL, id INTEGER NOT NULL,
  PRIMARY KEY (shard, kind, text)
) WITHOUT ROWID;
CREATE INDEX name_number ON name (id);

CREATE TABLE drawer (
  shard INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, expires INTEGER, body BLOB NOT NULL,
  PRIMARY KEY (shard, kind, id)
) WITHOUT ROWID;
CREATE INDEX drawer_expires ON drawer (expires) WHERE expires IS NOT NULL;
CREATE INDEX drawer_kind ON drawer (kind, id);

CREATE TABLE job (
  id INTEGER PRIMARY KEY, shard INTEGER NOT NULL, queue TEXT NOT NULL, due INTEGER NOT NULL,
  attempts INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX job_due ON job (queue, due, id);

CREATE TABLE audit (
  shard INTEGER NOT NULL, seq INTEGER NOT NULL, count INTEGER NOT NULL, since INTEGER NOT NULL, at INTEGER NOT NULL,
  hash BLOB NOT NULL, body BLOB NOT NULL,
  UNIQUE (shard, seq)
);
CREATE INDEX audit_at ON audit (at, shard, seq);

CREATE TABLE audit_about (
  shard INTEGER NOT NULL, since INTEGER NOT NULL, at INTEGER NOT NULL, chain INTEGER NOT NULL, seq INTEGER NOT NULL,
  marks BLOB NOT NULL, blocks BLOB NOT NULL,
  PRIMARY KEY (shard, at, chain, seq)
) WITHOUT ROWID;

CREATE TABLE audit_end (
  shard INTEGER PRIMARY KEY, seq INTEGER NOT NULL, hash BLOB NOT NULL, tray INTEGER NOT NULL DEFAULT 0
);
INSERT INTO audit_end (shard, seq, hash)
  VALUES (0, 0, x''), (1, 0, x''), (2, 0, x''), (3, 0, x''), (4, 0, x''), (5, 0, x''), (6, 0, x''), (7, 0, x'');

CREATE TABLE audit_seal (
  shard INTEGER NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, signature BLOB NOT NULL,
  PRIMARY KEY (shard, seq)
);
CREATE TABLE audit_countersign (
  shard INTEGER NOT NULL, seq INTEGER NOT NULL, member TEXT NOT NULL, pubkey TEXT NOT NULL, signature BLOB NOT NULL,
  PRIMARY KEY (shard, seq, member)
);

CREATE TABLE head (
  shard INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL,
  PRIMARY KEY (shard, name)
) WITHOUT ROWID;
INSERT INTO head (shard, name, value) VALUES (0, 'feed', 0), (0, 'schema', 3), (0, 'rid', 0), (0, 'name', 0);
