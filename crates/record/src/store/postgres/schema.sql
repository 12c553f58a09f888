-- The record on PostgreSQL, ready to be distributed by Citus on `shard`:
-- every primary and unique key holds that column, and whatever belongs to one patient carries the patient's.
--
-- shard   a hash of the name of the patient a resource belongs to ("Patient/7"), or of its own name if it belongs to none
-- rid     the number of a resource, never reused: index rows and references hold it instead of the name
-- param   the number of a search parameter of a type, from `name`
-- system  the number of a code system or identifier system, from `name`; 0 for none
-- grp     which element of a repeating group a value stands in, for composite parameters
-- subject the rid of the patient a version belongs to, 0 for nobody, -1 for several; keeper that of the organization whose
--         it is, 0 if unknown; label its labels, a bit each, as the access rules number them
-- at, lo, hi (date)  microseconds since 1970-01-01T00:00:00Z; an interval holds lo and ends before hi
--
-- Searches without a patient begin at (param, value); searches within one patient begin at ref (target, param)
-- or, where `near` is 1, at tok (shard, param, code). The rows of one resource are found by (rid, param).

-- Who is where. A name gets its rid when it is first written or first referred to, and keeps it.
-- `shard` is that of the name itself, so one name has one row; `home` is the shard its resource lives on.
-- References to anything that is not a resource of this record (type 0) have their URL as id.
CREATE TABLE locator (
  shard INTEGER NOT NULL, type SMALLINT NOT NULL, id TEXT COLLATE "C" NOT NULL, rid BIGINT NOT NULL, home INTEGER NOT NULL,
  PRIMARY KEY (shard, type, id)
);
CREATE INDEX locator_rid ON locator (rid);
-- URLs by their beginning, to find the versions of a canonical one.
CREATE INDEX locator_url ON locator (id) WHERE type = 0;

-- The current version of each resource. The body is JSON bytes, first byte 0 for plain and 1 for zstd;
-- null when the resource is deleted.
CREATE TABLE resource (
  rid BIGINT NOT NULL, shard INTEGER NOT NULL, type SMALLINT NOT NULL, id TEXT COLLATE "C" NOT NULL,
  version INTEGER NOT NULL, at BIGINT NOT NULL, method SMALLINT NOT NULL, body BYTEA,
  subject BIGINT NOT NULL, keeper BIGINT NOT NULL, label INTEGER NOT NULL,
  PRIMARY KEY (rid, shard)
);
CREATE INDEX resource_type ON resource (type, rid) WHERE body IS NOT NULL;
CREATE INDEX resource_at ON resource (type, at, rid) WHERE body IS NOT NULL;
CREATE INDEX resource_subject ON resource (subject, keeper);
ALTER TABLE resource ALTER COLUMN body SET STORAGE EXTERNAL;

-- Every earlier version.
CREATE TABLE history (
  rid BIGINT NOT NULL, version INTEGER NOT NULL, shard INTEGER NOT NULL, at BIGINT NOT NULL,
  method SMALLINT NOT NULL, body BYTEA,
  subject BIGINT NOT NULL, keeper BIGINT NOT NULL, label INTEGER NOT NULL,
  PRIMARY KEY (rid, version, shard)
);
ALTER TABLE history ALTER COLUMN body SET STORAGE EXTERNAL;

-- Every change in commit order. `seq` is taken from the row 'feed' of `head` just before commit, so it has no gaps.
CREATE TABLE feed (
  seq BIGINT NOT NULL, shard INTEGER NOT NULL, rid BIGINT NOT NULL, type SMALLINT NOT NULL,
  version INTEGER NOT NULL, at BIGINT NOT NULL, method SMALLINT NOT NULL,
  actor INTEGER NOT NULL, purpose INTEGER NOT NULL, request TEXT NOT NULL,
  PRIMARY KEY (seq, shard)
);
CREATE INDEX feed_type ON feed (type, seq);

-- Tokens, codes, identifiers and URIs.
CREATE TABLE tok (
  rid BIGINT NOT NULL, param INTEGER NOT NULL, grp SMALLINT NOT NULL, code TEXT COLLATE "C" NOT NULL, system INTEGER NOT NULL,
  shard INTEGER NOT NULL, near SMALLINT NOT NULL
);
CREATE INDEX tok_rid ON tok (rid, param);
CREATE INDEX tok_value ON tok (param, code, rid, system);
CREATE INDEX tok_near ON tok (shard, param, code, rid, system) WHERE near = 1;

-- References, by the rid of their target; ttype is the target's type, 0 for a URL.
CREATE TABLE ref (
  rid BIGINT NOT NULL, param INTEGER NOT NULL, grp SMALLINT NOT NULL, target BIGINT NOT NULL, ttype SMALLINT NOT NULL,
  shard INTEGER NOT NULL
);
CREATE INDEX ref_rid ON ref (rid, param);
CREATE INDEX ref_value ON ref (target, param, rid);

-- Text, folded for comparing; `exact` as written, empty for spellings made by us (pinyin).
CREATE TABLE str (
  rid BIGINT NOT NULL, param INTEGER NOT NULL, grp SMALLINT NOT NULL, folded TEXT COLLATE "C" NOT NULL, exact TEXT COLLATE "C" NOT NULL,
  shard INTEGER NOT NULL
);
CREATE INDEX str_rid ON str (rid, param);
CREATE INDEX str_value ON str (param, folded, rid);

CREATE TABLE date (
  rid BIGINT NOT NULL, param INTEGER NOT NULL, grp SMALLINT NOT NULL, lo BIGINT NOT NULL, hi BIGINT NOT NULL,
  shard INTEGER NOT NULL
);
CREATE INDEX date_rid ON date (rid, param);
CREATE INDEX date_lo ON date (param, lo, rid);
CREATE INDEX date_hi ON date (param, hi, rid);

-- Numbers (system 0, code empty) and quantities. A single value has lo = hi; a Range has both ends.
CREATE TABLE qty (
  rid BIGINT NOT NULL, param INTEGER NOT NULL, grp SMALLINT NOT NULL, lo DOUBLE PRECISION NOT NULL, hi DOUBLE PRECISION NOT NULL,
  system INTEGER NOT NULL, code TEXT COLLATE "C" NOT NULL, shard INTEGER NOT NULL
);
CREATE INDEX qty_rid ON qty (rid, param);
CREATE INDEX qty_lo ON qty (param, lo, rid);
CREATE INDEX qty_hi ON qty (param, hi, rid);

-- What joins a patient (`subject`) to an organization, a post or a person (`party`; 0 for everyone) from `lo` until `hi`,
-- as the resource `rid` says, or keeps them apart. `kind` is that of access::facts::Kind; `what` a type and `mask` labels
-- it is confined to, 0 for none.
CREATE TABLE tie (
  rid BIGINT NOT NULL, kind SMALLINT NOT NULL, subject BIGINT NOT NULL, party BIGINT NOT NULL, what SMALLINT NOT NULL,
  mask INTEGER NOT NULL, lo BIGINT NOT NULL, hi BIGINT NOT NULL, shard INTEGER NOT NULL
);
CREATE INDEX tie_rid ON tie (rid, kind);
CREATE INDEX tie_subject ON tie (subject, kind, hi);

-- Numbers for words: kind 1 search parameters ("Observation.code"), 2 systems, 3 actors and purposes.
CREATE TABLE name (
  shard INTEGER NOT NULL, kind SMALLINT NOT NULL, text TEXT COLLATE "C" NOT NULL, id INTEGER NOT NULL,
  PRIMARY KEY (shard, kind, text)
);
CREATE INDEX name_number ON name (id);

-- The platform's own small papers.
CREATE TABLE drawer (
  shard INTEGER NOT NULL, kind TEXT COLLATE "C" NOT NULL, id TEXT COLLATE "C" NOT NULL, expires BIGINT, body BYTEA NOT NULL,
  PRIMARY KEY (shard, kind, id)
);
CREATE INDEX drawer_expires ON drawer (expires) WHERE expires IS NOT NULL;
CREATE INDEX drawer_kind ON drawer (kind, id);

CREATE TABLE job (
  id BIGINT NOT NULL, shard INTEGER NOT NULL, queue TEXT COLLATE "C" NOT NULL, due BIGINT NOT NULL,
  attempts INTEGER NOT NULL, body BYTEA NOT NULL,
  PRIMARY KEY (id, shard)
);
CREATE INDEX job_due ON job (queue, due, id);

-- The trail: chains of entries, of which those committed together lie in one block. `shard` is the number of the chain,
-- `seq` the position of the block's first entry in it, `since` and `at` the times of its earliest and latest entry,
-- `hash` the SM3 digest of its last entry. The entries' form is that of audit/entry.rs and audit/chain.rs.
CREATE TABLE audit (
  shard INTEGER NOT NULL, seq BIGINT NOT NULL, count INTEGER NOT NULL, since BIGINT NOT NULL, at BIGINT NOT NULL,
  hash BYTEA NOT NULL, body BYTEA NOT NULL,
  PRIMARY KEY (shard, seq)
);
CREATE INDEX audit_at ON audit (at, shard, seq);
-- Blocks are packed already, and lie with their row where they fit on its page: a table beside it for what is long would
-- cost each of them a second row and an index.
ALTER TABLE audit ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE audit SET (toast_tuple_target = 8160);

-- Which blocks hold anything about a name: of a patient, an actor, or of what belongs to no patient. `shard` is the group
-- of names, or below zero the tray of a chain, where new blocks wait to be filed. The form is that of audit/index.rs.
CREATE TABLE audit_about (
  shard INTEGER NOT NULL, since BIGINT NOT NULL, at BIGINT NOT NULL, chain INTEGER NOT NULL, seq BIGINT NOT NULL,
  marks BYTEA NOT NULL, blocks BYTEA NOT NULL,
  PRIMARY KEY (shard, at, chain, seq)
);
ALTER TABLE audit_about ALTER COLUMN marks SET STORAGE EXTERNAL;
ALTER TABLE audit_about SET (toast_tuple_target = 8160);

-- Where each chain ends, and how many blocks wait in its tray.
CREATE TABLE audit_end (
  shard INTEGER NOT NULL, seq BIGINT NOT NULL, hash BYTEA NOT NULL, tray INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (shard)
);
INSERT INTO audit_end (shard, seq, hash) SELECT n, 0, ''::bytea FROM generate_series(0, 7) AS n;

-- Seals: the ends of all chains at one time as signed text, and the signatures of other members under it.
CREATE TABLE audit_seal (
  shard INTEGER NOT NULL, seq BIGINT NOT NULL, body TEXT NOT NULL, signature BYTEA NOT NULL,
  PRIMARY KEY (shard, seq)
);
CREATE TABLE audit_countersign (
  shard INTEGER NOT NULL, seq BIGINT NOT NULL, member TEXT COLLATE "C" NOT NULL, pubkey TEXT NOT NULL, signature BYTEA NOT NULL,
  PRIMARY KEY (shard, seq, member)
);

-- Counters that move inside transactions. In the row 'feed' besides: the process that wrote last, whether it is alone, so
-- that no other may move the row, and what it moves from time to time to show that it is there.
CREATE TABLE head (
  shard INTEGER NOT NULL, name TEXT COLLATE "C" NOT NULL, value BIGINT NOT NULL,
  writer BIGINT NOT NULL DEFAULT 0, alone BOOLEAN NOT NULL DEFAULT false, beat BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (shard, name)
);
INSERT INTO head (shard, name, value) VALUES (0, 'feed', 0), (0, 'schema', 4), (0, 'rid', 0), (0, 'name', 0);

-- Handed out in blocks; gaps are harmless.
CREATE SEQUENCE rid_block INCREMENT BY 1000 MINVALUE 0 START 0;
CREATE SEQUENCE name_id;
CREATE SEQUENCE job_id;
