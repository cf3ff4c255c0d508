/**
 * The schema of the SQLite store, as the list of steps that lead to it. `PRAGMA user_version` holds how many
 * steps a file has taken. A step that was released is never edited: a correction is a further step.
 *
 * A run is one start of the pipeline over one source. Every other row belongs to a run and goes with it, so
 * two replays of one capture never mix. `body` is the pipeline's record (src/pipeline/records.ts) as JSON;
 * the other columns are what is searched by, and stand before it: what stands after a long value is read
 * through all of its pages.
 */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [
  {
    name: "runs, fixes, events, authenticated data, newest states",
    sql: `
      -- AUTOINCREMENT: the number of a run that was deleted must not come to mean another run.
      CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        mode TEXT NOT NULL,
        source TEXT NOT NULL,
        time_assurance TEXT NOT NULL,
        software_version TEXT NOT NULL,
        started_at_ms INTEGER NOT NULL,
        finished_at_ms INTEGER,
        summary TEXT
      ) STRICT;

      -- The id is the order of arrival, which pages of a list walk (src/store/paging.ts).
      CREATE TABLE fixes (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        gst_ms INTEGER NOT NULL,
        utc_ms INTEGER NOT NULL,
        assurance TEXT NOT NULL,
        body TEXT NOT NULL
      ) STRICT;
      -- Holds all that a filter asks about, so that rows which do not pass are never read.
      CREATE INDEX fixes_of_run ON fixes (run_id, id, assurance, gst_ms, utc_ms);

      CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        gst_ms INTEGER,
        body TEXT NOT NULL
      ) STRICT;
      CREATE INDEX events_of_run ON events (run_id, id, gst_ms);

      CREATE TABLE authenticated (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        svid INTEGER NOT NULL,
        iod_nav INTEGER,
        gst_ms INTEGER NOT NULL,
        body TEXT NOT NULL
      ) STRICT;
      CREATE INDEX authenticated_of_run ON authenticated (run_id, svid, id);

      CREATE TABLE satellites (
        run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        svid INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (run_id, svid)
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE osnma (
        run_id INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
        body TEXT NOT NULL
      ) STRICT;
    `,
  },
  {
    name: "evidence, time of storing, blocks of fixes, names of events",
    sql: `
      -- Names this database, so that a position in it is not taken for one in another (src/http/stream-position.ts).
      CREATE TABLE identity (value TEXT NOT NULL) STRICT;
      INSERT INTO identity VALUES (lower(hex(randomblob(8))));

      -- Evidence is content-addressed: hash is the SHA-256 that the object is named by. A link says that one
      -- object names another; objects that nothing names any more are found through evidence_loose.
      CREATE TABLE evidence (
        id INTEGER PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        body TEXT NOT NULL
      ) STRICT;
      CREATE TABLE evidence_links (
        parent INTEGER NOT NULL,
        child INTEGER NOT NULL,
        PRIMARY KEY (parent, child)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX evidence_named_by ON evidence_links (child);
      CREATE TABLE evidence_loose (id INTEGER PRIMARY KEY) STRICT;

      -- stored_ms is when a row was stored by this machine's clock: what retention by age goes by, since the
      -- time in a signal may be years old (a replay) or false.
      CREATE TABLE new_fixes (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        gst_ms INTEGER NOT NULL,
        utc_ms INTEGER NOT NULL,
        stored_ms INTEGER NOT NULL,
        evidence_id INTEGER,
        assurance TEXT NOT NULL,
        body TEXT NOT NULL
      ) STRICT;
      INSERT INTO new_fixes
        SELECT fixes.id, run_id, gst_ms, utc_ms, started_at_ms, NULL, assurance, body
        FROM fixes JOIN runs ON runs.id = run_id;
      CREATE TABLE new_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        gst_ms INTEGER,
        stored_ms INTEGER NOT NULL,
        name TEXT NOT NULL,
        body TEXT NOT NULL
      ) STRICT;
      INSERT INTO new_events
        SELECT events.id, run_id, gst_ms, started_at_ms,
          CASE WHEN json_valid(body) THEN coalesce(json_extract(body, '$.name'), '') ELSE '' END, body
        FROM events JOIN runs ON runs.id = run_id;
      CREATE TABLE new_authenticated (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        svid INTEGER NOT NULL,
        iod_nav INTEGER,
        gst_ms INTEGER NOT NULL,
        stored_ms INTEGER NOT NULL,
        body TEXT NOT NULL
      ) STRICT;
      INSERT INTO new_authenticated
        SELECT authenticated.id, run_id, svid, iod_nav, gst_ms, started_at_ms, body
        FROM authenticated JOIN runs ON runs.id = run_id;
      -- Numbers of deleted rows must not come again.
      INSERT INTO sqlite_sequence (name, seq) SELECT name, 0 FROM
        (SELECT 'new_fixes' AS name UNION SELECT 'new_events' UNION SELECT 'new_authenticated')
        WHERE name NOT IN (SELECT name FROM sqlite_sequence);
      UPDATE sqlite_sequence SET seq = max(seq, coalesce(
        (SELECT seq FROM sqlite_sequence AS old WHERE old.name = substr(sqlite_sequence.name, 5)), 0))
        WHERE name LIKE 'new\\_%' ESCAPE '\\';
      DROP TABLE fixes;
      DROP TABLE events;
      DROP TABLE authenticated;
      ALTER TABLE new_fixes RENAME TO fixes;
      ALTER TABLE new_events RENAME TO events;
      ALTER TABLE new_authenticated RENAME TO authenticated;
      -- Hold all that a filter asks about, so that rows which do not pass are never read.
      CREATE INDEX fixes_of_run ON fixes (run_id, assurance, id, gst_ms, utc_ms);
      CREATE INDEX fixes_of_evidence ON fixes (evidence_id) WHERE evidence_id IS NOT NULL;
      CREATE INDEX events_of_run ON events (run_id, id, gst_ms, name);
      CREATE INDEX authenticated_of_run ON authenticated (run_id, id);
      CREATE INDEX authenticated_of_satellite ON authenticated (run_id, svid, id);

      -- What 1024 fixes in order of arrival hold: their times and how many of each level. A search by time reads
      -- only the blocks that may have such a fix, however the times jump.
      CREATE TABLE fix_blocks (
        run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        block INTEGER NOT NULL,
        min_gst_ms INTEGER NOT NULL,
        max_gst_ms INTEGER NOT NULL,
        min_utc_ms INTEGER NOT NULL,
        max_utc_ms INTEGER NOT NULL,
        nav_authenticated INTEGER NOT NULL,
        corroborated INTEGER NOT NULL,
        unverified INTEGER NOT NULL,
        PRIMARY KEY (run_id, block)
      ) STRICT, WITHOUT ROWID;
      INSERT INTO fix_blocks
        SELECT run_id, id >> 10, min(gst_ms), max(gst_ms), min(utc_ms), max(utc_ms),
          sum(assurance = 'nav-authenticated'), sum(assurance = 'corroborated'), sum(assurance = 'unverified')
        FROM fixes GROUP BY run_id, id >> 10;
      CREATE TRIGGER fix_stored AFTER INSERT ON fixes BEGIN
        INSERT INTO fix_blocks VALUES (
          new.run_id, new.id >> 10, new.gst_ms, new.gst_ms, new.utc_ms, new.utc_ms,
          new.assurance = 'nav-authenticated', new.assurance = 'corroborated', new.assurance = 'unverified'
        ) ON CONFLICT (run_id, block) DO UPDATE SET
          min_gst_ms = min(min_gst_ms, excluded.min_gst_ms), max_gst_ms = max(max_gst_ms, excluded.max_gst_ms),
          min_utc_ms = min(min_utc_ms, excluded.min_utc_ms), max_utc_ms = max(max_utc_ms, excluded.max_utc_ms),
          nav_authenticated = nav_authenticated + excluded.nav_authenticated,
          corroborated = corroborated + excluded.corroborated,
          unverified = unverified + excluded.unverified;
      END;
      CREATE TRIGGER fix_removed AFTER DELETE ON fixes BEGIN
        UPDATE fix_blocks SET
          nav_authenticated = nav_authenticated - (old.assurance = 'nav-authenticated'),
          corroborated = corroborated - (old.assurance = 'corroborated'),
          unverified = unverified - (old.assurance = 'unverified')
          WHERE run_id = old.run_id AND block = old.id >> 10;
        DELETE FROM fix_blocks WHERE run_id = old.run_id AND block = old.id >> 10
          AND nav_authenticated + corroborated + unverified = 0;
        INSERT OR IGNORE INTO evidence_loose SELECT old.evidence_id WHERE old.evidence_id IS NOT NULL;
      END;
    `,
  },
  {
    name: "why data were believed once for many fixes, payloads of a fix as bytes",
    sql: `
      -- What "authenticatedBy" says of a satellite. From this step on the body of a fix has the id of a row here in
      -- its place (src/store/provenance.ts); the bodies of before have the whole object, and stay as they are.
      -- No fix of an id above named_until names the row.
      -- AUTOINCREMENT: what was read of a row that went must not pass for another.
      CREATE TABLE provenance (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        named_until INTEGER NOT NULL,
        body TEXT NOT NULL
      ) STRICT;
      CREATE INDEX provenance_of_run ON provenance (run_id, named_until);

      -- The evidence of a fix of this step on: the payloads that are its own, and the shared objects as one row of
      -- evidence of kind "basis", which is no evidence object but names them: {"words": [ids], "inputs": id}.
      CREATE TABLE fix_evidence (
        fix_id INTEGER PRIMARY KEY REFERENCES fixes (id) ON DELETE CASCADE,
        basis_id INTEGER NOT NULL,
        measurements BLOB,
        nav_pvt BLOB,
        nav_sat BLOB
      ) STRICT;
      CREATE INDEX fix_evidence_of_basis ON fix_evidence (basis_id);
      CREATE TRIGGER fix_evidence_removed AFTER DELETE ON fix_evidence BEGIN
        INSERT OR IGNORE INTO evidence_loose VALUES (old.basis_id);
      END;
    `,
  },
];
