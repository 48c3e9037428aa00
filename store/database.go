package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// openDatabase opens a SQLite file, and makes it with its tables when create is set. What is committed to it has been synced to the
// disk. Who gives more settings says how long to wait for other connections, too.
func openDatabase(path, schema string, create bool, more ...string) (*sql.DB, error) {
	mode := "rw"
	if create {
		mode = "rwc"
	}
	q := url.Values{"mode": {mode}, "_txlock": {"immediate"}, "_journal_mode": {"WAL"}, "_synchronous": {"FULL"}}
	if len(more) == 0 {
		more = []string{"busy_timeout(10000)"}
	}
	// An exclusive lock comes before what reads the file first: then there is no file of shared memory, which takes room.
	all := append(more, "page_size(8192)", "wal_autocheckpoint(2048)", "journal_size_limit(33554432)", "cache_size(-1024)")
	for _, p := range all {
		q.Add("_pragma", p)
	}
	slashed := filepath.ToSlash(path)
	if filepath.VolumeName(path) != "" {
		slashed = "/" + slashed // file:///C:/…
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: slashed, RawQuery: q.Encode(), OmitHost: true}).String())
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	db.SetMaxOpenConns(6)
	db.SetMaxIdleConns(3)
	if schema != "" {
		_, err = db.Exec(schema)
	} else {
		err = db.Ping()
	}
	if err == nil && create {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	return db, nil
}

// syncDir makes sure that the names in a directory survive a power cut.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncNames(f)
}

// transact runs f in one transaction on conn. It is committed, and on the disk, when transact returns without an error.
func transact(conn *sql.Conn, f func(tx *sql.Tx) error) error {
	// A transaction is not given up half-way because a client goes away.
	tx, err := conn.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		tx.Rollback()
		return err
	}
	if err := tx.Commit(); err != nil {
		conn.ExecContext(context.Background(), "ROLLBACK") // SQLite keeps some transactions open whose commit has failed
		return err
	}
	return nil
}

// exists says whether a row is there: whether a transaction was committed although it says that it failed.
func exists(conn *sql.Conn, query string, id int64) bool {
	var n int
	return conn.QueryRowContext(context.Background(), query, id).Scan(&n) == nil && n > 0
}

// isFull says whether SQLite, or the system, has found no room on the disk.
func isFull(err error) bool {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()&0xff == sqlite3.SQLITE_FULL || e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE
	}
	return errors.Is(err, syscall.ENOSPC)
}

// removeDatabase deletes a SQLite file and what SQLite keeps beside it.
func removeDatabase(path string) error {
	for _, suffix := range []string{"-wal", "-shm", "-journal", ""} {
		if err := os.Remove(path + suffix); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("cannot delete %s: %w", path, err)
		}
	}
	return nil
}
