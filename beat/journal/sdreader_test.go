//go:build cgo && linux

package journal

import (
	"os"
	"os/exec"
	"testing"
)

// What is said of reading files holds with libsystemd too.
func TestBySDJournal(t *testing.T) {
	self, err := os.Executable()
	must(t, err)
	const tests = "ReadsAllInOrder|Fields|MatchesAsJournalctl|Resume|Seek|GoneByNumber|GoneByTime|ForeignPosition|TwoChains|" +
		"RotationWhileReading|VacuumWhileReading|EverythingAtOnce|Live|Damage|DamageFiltered|CutWhileReading|ResumeNearDamage|DamageLive"
	out, err := exec.CommandContext(t.Context(), self, "-reader=sdjournal", "-test.run=^Test("+tests+")$").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// A file that is cut while libsystemd has it mapped does not end the process.
func TestCutUnderLibsystemd(t *testing.T) {
	dir := t.TempDir()
	path := makeJournal(t, dir, series(1, 300), series(301, 302))[0]
	b, err := os.ReadFile(path)
	must(t, err)
	for _, size := range []int64{0, 100, 4096, int64(entryOffset(t, b, 50)), int64(len(b)) - 8192} {
		must(t, os.WriteFile(path, b, 0o644))
		from, err := os.Open(path)
		must(t, err)
		rd, err := openSDJournal(from, nil, nil, 1<<20)
		must(t, err)
		var e Entry
		for range 20 {
			if ok, err := rd.next(&e); !ok || err != nil {
				t.Fatalf("next gave %t, %v", ok, err)
			}
		}
		must(t, os.Truncate(path, size))
		read := 20
		for {
			ok, err := rd.next(&e)
			if !ok && err == nil {
				break
			}
			if read++; read > 300 {
				t.Fatalf("cut to %d bytes, the file does not end", size)
			}
		}
		_ = rd.unique("PRIORITY")
		rd.close()
		must(t, from.Close())
	}
}

func BenchmarkGuard(b *testing.B) {
	for b.Loop() {
		guard(func() {})
	}
}
