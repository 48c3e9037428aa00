package journal

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
)

// benchFiles are those of PODBEAT_JOURNALS, a directory, or a small node's that are made for the purpose.
func benchFiles(b *testing.B) []string {
	dir := os.Getenv("PODBEAT_JOURNALS")
	if dir == "" {
		dir = b.TempDir()
		_, err := journalgen.Write(dir, journalgen.Defaults(100_000))
		must(b, err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.journal"))
	must(b, err)
	return paths
}

// benchRead reads all entries, one file after the other, and says what CPU time a million of them take.
func benchRead(b *testing.B, prepare func(f *File), step func(f *File, e *Entry) (bool, error)) {
	paths := benchFiles(b)
	var e Entry
	n, fields := 0, 0
	before := cpu()
	for b.Loop() {
		for _, path := range paths {
			f, err := Open(path, Options{})
			must(b, err)
			prepare(f)
			for {
				ok, err := step(f, &e)
				must(b, err)
				if !ok {
					break
				}
				fields += len(e.Fields)
			}
			n += int(f.Header().Entries)
			must(b, f.Close())
		}
	}
	b.ReportMetric((cpu()-before).Seconds()*1e6/float64(n), "cpu-s/M")
	b.ReportMetric(float64(fields)/float64(n), "fields/entry")
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/(1<<20), "MiB")
}

func BenchmarkFileNext(b *testing.B) {
	benchRead(b, func(*File) {}, (*File).Next)
}

func BenchmarkFilePrevious(b *testing.B) {
	benchRead(b, (*File).SeekTail, (*File).Previous)
}

func BenchmarkFileMatch(b *testing.B) {
	benchRead(b, func(f *File) { must(b, f.Match(Filter{{{"_TRANSPORT=stdout", "_TRANSPORT=kernel"}}})) }, (*File).Next)
}

// cpu is what this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
