package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// copyDir copies a store as a power cut would leave it: what was synced is there.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(to, rel), 0o700))
		}
		if strings.HasSuffix(path, "-shm") {
			return nil // memory that is shared while the file is open
		}
		b, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(filepath.Join(to, rel), b, 0o600))
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func TestCopyOfOpenFiles(t *testing.T) {
	s := create(t)
	fill(t, s, 0, 500)
	expect(t, open(t, copyDir(t, s.dir)), numbers(0, 500))
	if err := s.Flush("logs"); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 500, 700)
	dir := copyDir(t, s.dir)
	expect(t, open(t, dir), numbers(0, 700))

	// A transaction that was cut off was not acknowledged: what came before it is there.
	dir = copyDir(t, s.dir)
	wal := files(t, dir)[0] + "-wal"
	f, err := os.Stat(wal)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(wal, f.Size()-100); err != nil {
		t.Fatal(err)
	}
	expect(t, open(t, dir), numbers(0, 600))

	// A lost catalog is made anew, and a file that it does not name is removed.
	dir = copyDir(t, s.dir)
	for _, suffix := range []string{"", "-wal"} {
		if err := os.Remove(filepath.Join(dir, "catalog.db"+suffix)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, "indices", "stray.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, open(t, dir), numbers(0, 700))
	if s = again(t, s); len(files(t, s.dir)) != 1 {
		t.Error(files(t, s.dir))
	}
}

func TestBackup(t *testing.T) {
	s := create(t)
	fill(t, s, 0, 300)
	if err := errors.Join(s.Flush("logs"), s.Create(ctx, "empty"), s.SetMeta(ctx, Meta{Index: "logs", Key: "mapping", Value: []byte("1")})); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 300, 400)
	dir := filepath.Join(t.TempDir(), "copy")
	if err := s.Backup(ctx, dir); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 400, 500)
	if err := s.Backup(ctx, dir); err == nil {
		t.Error("a backup over another")
	}
	b := open(t, dir)
	expect(t, b, numbers(0, 400))
	if v, err := b.Meta(ctx, "logs", "mapping"); err != nil || string(v) != "1" || len(b.Names()) != 2 {
		t.Error(v, err, b.Names())
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	s := create(t)
	fill(t, s, 0, 1000)
	if err := s.Flush("logs"); err != nil {
		t.Fatal(err)
	}
	damage := func(query string, args ...any) {
		t.Helper()
		dir := copyDir(t, s.dir)
		db, err := openDatabase(files(t, dir)[0], "", false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		copied := open(t, dir)
		if r, err := copied.Verify(ctx, "logs"); err != nil || len(r.Problems) == 0 {
			t.Errorf("%s: %+v %v", query, r, err)
		}
	}
	damage("UPDATE part SET data=substr(data,1,length(data)-1)||x'00' WHERE id=?", 1<<partBits|1)
	damage("UPDATE part SET data=x'00' WHERE id=?", 1<<partBits)
	db, err := openDatabase(files(t, copyDir(t, s.dir))[0], "", false)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var parts int
	if err := db.QueryRow("SELECT count(*) FROM part").Scan(&parts); err != nil || parts < 2 {
		t.Fatalf("%d parts (%v)", parts, err)
	}
	for n := range parts { // one byte in the middle of each, whatever it is for
		damage("UPDATE part SET data=substr(data,1,length(data)/2-1)||x'7f7f'||substr(data,length(data)/2+2) WHERE id=?", 1<<partBits|n)
	}
	damage("DELETE FROM part WHERE id=?", 1<<partBits|1)
	damage("INSERT INTO part SELECT id+?, data FROM part; INSERT INTO block SELECT 2, rows, low, high, size, parts, 0 FROM block", 1<<partBits)
}
