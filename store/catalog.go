package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// catalog is the file that names the indices and keeps what is known about them. Having it open keeps other processes out of
// the store.
type catalog struct {
	db *sql.DB
}

// entry is an index in the catalog.
type entry struct {
	name, uuid string
	created    time.Time
	closed     bool
}

const catalogSchema = `
CREATE TABLE IF NOT EXISTS entry(name TEXT PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, closed INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta(uuid TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY(uuid, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS known(uuid TEXT PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL, info TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version=1`

func openCatalog(dir string) (*catalog, error) {
	path := filepath.Join(dir, "catalog.db")
	db, err := openDatabase(path, "", true, "busy_timeout(0)", "locking_mode(EXCLUSIVE)")
	if err == nil {
		db.SetMaxOpenConns(1)
		var version int
		// What takes the lock is a transaction that could write; it needs no room.
		if _, err = db.Exec("BEGIN IMMEDIATE; ROLLBACK"); err == nil {
			err = db.QueryRow("PRAGMA user_version").Scan(&version)
		}
		if err == nil && version > 1 {
			err = fmt.Errorf("cannot read %s: it is of a newer version of this program", path)
		}
		tables := 0
		if err == nil {
			err = db.QueryRow("SELECT count(*) FROM sqlite_schema WHERE name IN ('entry', 'meta', 'known')").Scan(&tables)
		}
		if err == nil && tables < 3 { // otherwise nothing is written, as a full disk would refuse
			_, err = db.Exec(catalogSchema)
		}
		if err != nil {
			db.Close()
		}
	}
	if err != nil && strings.Contains(err.Error(), "SQLITE_BUSY") {
		return nil, fmt.Errorf("%w (%s); stop it first", ErrHeld, path)
	}
	return &catalog{db}, err
}

// adopt makes a catalog anew of the index files that are there: the old one is lost, and with it mappings and settings.
func (c *catalog) adopt(files []string) error {
	for _, f := range files {
		e, err := identify(f)
		if err == nil {
			err = c.add(context.Background(), e, nil)
		}
		if err != nil {
			return fmt.Errorf("cannot take %s into a new catalog: %w", f, err)
		}
	}
	return nil
}

func (c *catalog) close() error { return c.db.Close() }

func (c *catalog) list() ([]entry, error) {
	rows, err := c.db.Query("SELECT name, uuid, created, closed FROM entry")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []entry
	for rows.Next() {
		var e entry
		var created int64
		if err := rows.Scan(&e.name, &e.uuid, &created, &e.closed); err != nil {
			return nil, err
		}
		e.created = time.UnixMilli(created).UTC()
		all = append(all, e)
	}
	return all, rows.Err()
}

// add notes an index, and what is known about it.
func (c *catalog) add(ctx context.Context, e entry, known []Meta) error {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.Exec("INSERT INTO entry VALUES(?,?,?,0)", e.name, e.uuid, e.created.UnixMilli()); err != nil {
		return err
	}
	for _, m := range known {
		if _, err := tx.Exec("INSERT INTO meta VALUES(?,?,?)", e.uuid, m.Key, m.Value); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (c *catalog) setClosed(ctx context.Context, e entry, closed bool) error {
	_, err := c.db.ExecContext(ctx, "UPDATE entry SET closed=? WHERE uuid=?", closed, e.uuid)
	return err
}

func (c *catalog) remove(ctx context.Context, e entry) error {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.Exec("DELETE FROM entry WHERE uuid=?", e.uuid)
	if err == nil {
		_, err = tx.Exec("DELETE FROM meta WHERE uuid=?", e.uuid)
	}
	if err == nil {
		_, err = tx.Exec("DELETE FROM known WHERE uuid=?", e.uuid)
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

// A Meta is something that is known about an index, such as its mapping, or about the store, such as a template.
type Meta struct {
	Index string // its name; "" is the store
	UUID  string // of the index that is meant, should another have taken its name; "" is any
	Key   string
	Value []byte // nil deletes it
}

// uuidOf gives what an index is called in the table meta.
func (s *Store) uuidOf(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ix := s.indices[name]
	if ix == nil {
		return "", fmt.Errorf("%w [%s]", ErrNoIndex, name)
	}
	return ix.uuid, nil
}

// SetMeta changes what is known about indices and the store, all of it or, with an error, nothing.
func (s *Store) SetMeta(ctx context.Context, changes ...Meta) error {
	uuids := make([]string, len(changes))
	for i, m := range changes {
		var err error
		if uuids[i], err = s.uuidOf(m.Index); err != nil {
			return err
		}
		if m.UUID != "" && m.UUID != uuids[i] {
			return fmt.Errorf("%w [%s/%s]", ErrNoIndex, m.Index, m.UUID)
		}
	}
	tx, err := s.catalog.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("cannot write to the catalog: %w", s.explain(err))
	}
	defer tx.Rollback()
	for i, m := range changes {
		if m.Value == nil {
			_, err = tx.Exec("DELETE FROM meta WHERE uuid=? AND key=?", uuids[i], m.Key)
		} else {
			_, err = tx.Exec("INSERT INTO meta VALUES(?,?,?) ON CONFLICT DO UPDATE SET value=excluded.value", uuids[i], m.Key, m.Value)
		}
		if err != nil {
			return fmt.Errorf("cannot write %s to the catalog: %w", m.Key, s.explain(err))
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("cannot write to the catalog: %w", s.explain(err))
	}
	return nil
}

// Meta gives what is known about an index, or the store, under a key; nil if there is nothing.
func (s *Store) Meta(ctx context.Context, name, key string) ([]byte, error) {
	uuid, err := s.uuidOf(name)
	if err != nil {
		return nil, err
	}
	var value []byte
	err = s.catalog.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE uuid=? AND key=?", uuid, key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s from the catalog: %w", key, err)
	}
	return value, nil
}

// Metas gives all that is known about an index, or the store, by key.
func (s *Store) Metas(ctx context.Context, name string) (map[string][]byte, error) {
	uuid, err := s.uuidOf(name)
	if err != nil {
		return nil, err
	}
	rows, err := s.catalog.db.QueryContext(ctx, "SELECT key, value FROM meta WHERE uuid=?", uuid)
	if err != nil {
		return nil, fmt.Errorf("cannot read the catalog: %w", err)
	}
	defer rows.Close()
	all := make(map[string][]byte)
	for rows.Next() {
		var key string
		var value []byte
		if err := rows.Scan(&key, &value); err != nil {
			return nil, fmt.Errorf("cannot read the catalog: %w", err)
		}
		all[key] = value
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("cannot read the catalog: %w", err)
	}
	return all, nil
}

// newUUID makes what an index is called in all its life: 22 letters, as Elasticsearch's. It is a file's name, so the first one is no dash.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	return strings.Map(func(r rune) rune {
		if r == '-' {
			return 'x'
		}
		return r
	}, base64.RawURLEncoding.EncodeToString(b[:]))
}
