package journal_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/journal"
)

// exampleJournal is a directory with the journal of two services: an archived file and one in use.
func exampleJournal() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		log.Fatal(err)
	}
	lines := [][2]string{{"ssh.service", "Server listening on port 22."}, {"cron.service", "(root) CMD (run-parts)"},
		{"ssh.service", "Accepted publickey for anna"}, {"ssh.service", "Session closed for anna"}}
	seqnum := 0
	for file, state := range map[string]byte{"system@1.journal": journalgen.Archived, "system.journal": journalgen.Online} {
		m := journalgen.NewImage(journalgen.Format{Compact: true, KeyedHash: true}, [16]byte{byte(len(file))}, [16]byte{1}, [16]byte{2})
		from := 0
		if state == journalgen.Online {
			from = 2
		}
		for i, line := range lines[from : from+2] {
			seqnum = from + i + 1
			m.Append(journalgen.ImageEntry{
				Seqnum: uint64(seqnum), Realtime: uint64(1_715_904_000_000_000 + seqnum*1_000_000), Monotonic: uint64(seqnum * 1_000_000), Boot: [16]byte{3},
				Fields: [][]byte{[]byte("_SYSTEMD_UNIT=" + line[0]), []byte("MESSAGE=" + line[1])},
			})
		}
		if err := os.WriteFile(filepath.Join(dir, file), m.Bytes(state), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	return dir, func() { _ = os.RemoveAll(dir) }
}

// One file, from its beginning.
func ExampleOpen() {
	dir, remove := exampleJournal()
	defer remove()

	f, err := journal.Open(filepath.Join(dir, "system@1.journal"), journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	var e journal.Entry
	for {
		ok, err := f.Next(&e)
		if err != nil {
			log.Print(err) // one entry is damaged; the next call goes on after it
			f.Skip()
			continue
		}
		if !ok {
			break
		}
		fmt.Println(e.Seqnum, e.Get("MESSAGE"))
	}
	// Output:
	// 1 Server listening on port 22.
	// 2 (root) CMD (run-parts)
}

// A directory, as journalctl reads it: here what two services have said since a time.
func ExampleOpenDir() {
	dir, remove := exampleJournal()
	defer remove()

	j, err := journal.OpenDir(journal.DirOptions{}, dir) // without dir: this machine's journal
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()
	filter, err := journal.ParseMatches("_SYSTEMD_UNIT=ssh.service", "_SYSTEMD_UNIT=nginx.service")
	if err != nil {
		log.Fatal(err)
	}
	if err := j.Match(filter); err != nil {
		log.Fatal(err)
	}
	j.SeekRealtime(uint64(time.Date(2024, 5, 17, 0, 0, 2, 0, time.UTC).UnixMicro()))
	var e journal.Entry
	for {
		ok, err := j.Next(&e)
		if err != nil {
			log.Print(err)
			continue
		}
		if !ok {
			break
		}
		fmt.Println(time.UnixMicro(int64(e.Realtime)).UTC().Format(time.TimeOnly), e.Get("MESSAGE"))
	}
	// Output:
	// 00:00:03 Accepted publickey for anna
	// 00:00:04 Session closed for anna
}

// Following, as journalctl -f does: the last lines, and then what comes.
func ExampleJournal_Wait() {
	dir, remove := exampleJournal()
	defer remove()
	ctx, stop := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer stop()

	j, err := journal.OpenDir(journal.DirOptions{}, dir)
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()
	var e journal.Entry
	j.SeekTail()
	if _, err := j.Previous(&e); err != nil {
		log.Fatal(err)
	}
	fmt.Println(e.Get("MESSAGE"))
	for {
		ok, err := j.Next(&e)
		switch {
		case err != nil:
			log.Print(err)
		case ok:
			fmt.Println(e.Get("MESSAGE"))
		default:
			if err := j.Wait(ctx); err != nil {
				fmt.Println(err)
				return
			}
		}
	}
	// Output:
	// Session closed for anna
	// context deadline exceeded
}

// Going on where one has stopped: the cursor is what libsystemd calls one, so readers can be exchanged.
func ExampleJournal_SeekCursor() {
	dir, remove := exampleJournal()
	defer remove()
	const saved = "s=02000000000000000000000000000000;i=2;b=03000000000000000000000000000000;m=1e8480;t=6189b08820480;x=8b9befbd996813fd"

	j, err := journal.OpenDir(journal.DirOptions{}, dir)
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()
	c, err := journal.ParseCursor(saved)
	if err != nil {
		log.Fatal(err)
	}
	j.SeekCursor(c)
	var e journal.Entry
	ok, err := j.Next(&e)
	if ok && err == nil && j.At(c) {
		ok, err = j.Next(&e) // that one is done; without it the entry is news already
	}
	fmt.Println(ok, err, e.Get("MESSAGE"))
	// Output:
	// true <nil> Accepted publickey for anna
}

// What has been made of a value that many entries share is kept with it.
func ExampleData() {
	dir, remove := exampleJournal()
	defer remove()

	j, err := journal.OpenDir(journal.DirOptions{}, dir)
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()
	short := func(f *journal.Field) string {
		if f.Data == nil { // this entry's own
			return f.Value[:3]
		}
		if f.Data.Any == nil {
			f.Data.Any = f.Value[:3] // something expensive, once
		}
		return f.Data.Any.(string)
	}
	var e journal.Entry
	for {
		ok, err := j.Next(&e)
		var damaged *journal.EntryError
		if errors.As(err, &damaged) {
			continue
		}
		if !ok {
			break
		}
		for i := range e.Fields {
			if e.Fields[i].Name == "_SYSTEMD_UNIT" {
				fmt.Print(short(&e.Fields[i]), " ")
			}
		}
	}
	// Output: ssh cro ssh ssh
}
