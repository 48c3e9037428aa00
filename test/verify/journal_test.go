package verify

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestReadExport(t *testing.T) {
	const cursor = "__CURSOR=s=" + chain + ";i=1f;b=2\n"
	f := func(in, wantID, wantMessage string) {
		t.Helper()
		var got []Entry
		err := readExport(strings.NewReader(in), func(e Entry) { got = append(got, e) })
		if err != nil || len(got) != 1 || got[0].ID() != wantID || got[0].Fields["MESSAGE"] != wantMessage {
			t.Errorf("export %q: %v (%v), want %s %q", in, got, err, wantID, wantMessage)
		}
	}
	f(cursor+"MESSAGE=a=b\n\n", chain+"-31", "a=b")
	f("\n"+cursor+"MESSAGE=\n\n\n", chain+"-31", "")
	f(cursor+"MESSAGE\n\x04\x00\x00\x00\x00\x00\x00\x00a\n\xffb\n\n", chain+"-31", "a\n\xffb")

	bad := func(in, want string) {
		t.Helper()
		err := readExport(strings.NewReader(in), func(Entry) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("export %q: error %v, want %q in it", in, err, want)
		}
	}
	bad(cursor+"MESSAGE=a\n", "ends inside an entry")
	bad(cursor+"MESSAGE=a", "cannot read export text")
	bad("MESSAGE=a\n\n", "no sequence number")
	bad("__CURSOR=s="+chain+";i=x\n\n", "cannot parse cursor")
	bad(cursor+"MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xffa\n\n", "it says it has")
	bad(cursor+"MESSAGE\n\x02\x00\x00\x00\x00\x00\x00\x00a", "cannot read field")
	bad(cursor+"MESSAGE\n\x01\x00\x00\x00\x00\x00\x00\x00ab\n\n", "does not end after its 1 bytes")
}

// What systemd-journal-remote writes comes back from journalctl, entry by entry.
func TestJournal(t *testing.T) {
	const remote = "/lib/systemd/systemd-journal-remote"
	if _, err := exec.LookPath(remote); err != nil {
		t.Fatalf("%s is missing; install it: apt-get install -y systemd-journal-remote", remote)
	}
	var export bytes.Buffer
	long := strings.Repeat("x", 100_000)
	messages := []string{"one", "two\n2", "\xff\x00", long}
	for i, m := range messages {
		fmt.Fprintf(&export, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\nPRIORITY=6\nMESSAGE\n", 1_700_000_000_000_000+i, 1+i, chain)
		export.Write([]byte{byte(len(m)), byte(len(m) >> 8), byte(len(m) >> 16), 0, 0, 0, 0, 0})
		export.WriteString(m + "\n\n")
	}
	dir := t.TempDir()
	cmd := exec.Command(remote, "-o", filepath.Join(dir, "system.journal"), "-")
	cmd.Stdin = &export
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot write journal: %v: %s", err, out)
	}
	var got []string
	var numbers []uint64
	err := Journal(dir, func(e Entry) {
		got, numbers = append(got, e.Fields["MESSAGE"]), append(numbers, e.Seqnum)
		if _, ok := e.Fields["PRIORITY"]; ok {
			t.Errorf("fields %v, want only those that were named", e.Fields)
		}
	}, "MESSAGE")
	if err != nil || !reflect.DeepEqual(got, messages) || !reflect.DeepEqual(numbers, []uint64{1, 2, 3, 4}) {
		t.Errorf("messages %.80q numbers %d (%v)", got, numbers, err)
	}
}

func FuzzReadExport(f *testing.F) {
	f.Add([]byte("__CURSOR=s=" + chain + ";i=1\nMESSAGE\n\x01\x00\x00\x00\x00\x00\x00\x00a\n\n"))
	f.Add([]byte("MESSAGE=a\n\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		readExport(bytes.NewReader(data), func(e Entry) {
			if chain, n, ok := splitID(e.ID()); !ok || chain != e.SeqnumID || n != e.Seqnum {
				t.Errorf("id %q does not give back %q and %d", e.ID(), e.SeqnumID, e.Seqnum)
			}
		})
	})
}
