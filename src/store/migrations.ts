/**
 * The schema of the SQLite store, as the list of steps that lead to it. `PRAGMA user_version` holds how many
 * steps a file has taken. A step that was released is never edited: a correction is a further step.
 *
 * A run is one start of the pipeline over one source. Every other row belongs to a run and goes with it, so
 * two replays of one capture never mix. `body` is the pipeline's record (src/pipeline/records.ts) as JSON;
 * the other columns are what is searched by.
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
];
