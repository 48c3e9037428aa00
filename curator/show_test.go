package curator

import (
	"bytes"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/filter"
)

// TestTable has what Elastic Curator 5.8.4 prints.
func TestTable(t *testing.T) {
	indices := []filter.Item{
		{Name: "logstash-2020.01.01", Docs: 7, Size: 1 << 30, Shards: 1, Created: time.Date(2026, 11, 21, 8, 6, 10, 5e8, time.UTC)},
		{Name: "other", Closed: true, Docs: -1, Size: -1, Shards: 5, Replicas: 2, Created: time.Date(2026, 11, 21, 9, 6, 10, 0, time.FixedZone("", 3600))},
	}
	f := func(table table, items []filter.Item, want string) {
		t.Helper()
		var out bytes.Buffer
		if err := table.print(&out, items); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%+v:\ngot\n%swant\n%s", table, out.String(), want)
		}
	}
	f(table{}, indices, "logstash-2020.01.01\nother\n")
	f(table{header: true, epoch: true}, indices, "logstash-2020.01.01\nother\n")
	f(table{}, []filter.Item{{Name: "a\x1b[31m\u202eb"}}, `a\x1b[31m\u202eb`+"\n")
	f(table{verbose: true, header: true}, indices[:1], ""+
		"Index               State   Size Docs Pri Rep   Creation Timestamp\n"+
		"logstash-2020.01.01  open  1.0GB  7   1   0 2026-11-21T08:06:10Z\n")
	f(table{verbose: true}, indices, ""+
		"logstash-2020.01.01  open  1.0GB  7   1   0 2026-11-21T08:06:10Z\n"+
		"other               close   0.0B  0   5   2 2026-11-21T08:06:10Z\n")
	f(table{verbose: true, header: true, epoch: true}, []filter.Item{{Name: "日本", Docs: 123456, Size: 1536, Shards: 1, Replicas: 1, Created: time.Unix(1795248370, 0)}}, ""+
		"Index State   Size    Docs Pri Rep creation_date\n"+
		"日本  open  1.5KB  123456   1   1    1795248370\n")
	f(table{verbose: true, epoch: true, strict: true}, []filter.Item{{Name: "a", Created: time.Unix(1795248370, 0)}},
		"a  open  0.0B  0   0   0   1795248370Z\n")
	f(table{verbose: true}, []filter.Item{{Name: "a"}}, "a  open  0.0B  0   0   0              unknown\n")
}

func TestSizeText(t *testing.T) {
	f := func(bytes int64, want string) {
		t.Helper()
		if got := sizeText(bytes); got != want {
			t.Errorf("%d: got %s, want %s", bytes, got, want)
		}
	}
	f(-1, "0.0B")
	f(0, "0.0B")
	f(1023, "1023.0B")
	f(1024, "1.0KB")
	f(1<<20-1, "1024.0KB")
	f(3<<29, "1.5GB")
	f(1<<40, "1.0TB")
	f(1<<62, "4.0EB")
}

// TestJSONLines: an object a line, without what is not known.
func TestJSONLines(t *testing.T) {
	f := func(item filter.Item, object func(filter.Item) any, want string) {
		t.Helper()
		var out bytes.Buffer
		if err := write(&out, []filter.Item{item}, "json", object, table{}.print); err != nil {
			t.Fatal(err)
		}
		if out.String() != want+"\n" {
			t.Errorf("got %swant %s", out.String(), want)
		}
	}
	at := time.Date(2026, 11, 21, 9, 6, 10, 0, time.FixedZone("", 3600))
	f(filter.Item{Name: "é\x1b\u202e\U000e0001", UUID: "u", Health: "green", Docs: 0, Size: 9, PrimarySize: 3, Shards: 1, Replicas: 2, Created: at}, indexLine,
		`{"name":"é\u001b\u202e\udb40\udc01","uuid":"u","state":"open","health":"green","docs":0,"bytes":9,"primary_bytes":3,"shards":1,"replicas":2,"created":"2026-11-21T08:06:10Z"}`)
	f(filter.Item{Name: "b", Closed: true, Hidden: true, Docs: -1, Size: -1, PrimarySize: -1, Shards: 1}, indexLine,
		`{"name":"b","state":"close","hidden":true,"shards":1,"replicas":0}`)
	f(filter.Item{Name: "s", State: "SUCCESS", Created: at, Ended: at.Add(time.Minute), Indices: []string{"a", "b"}}, snapshotLine,
		`{"name":"s","state":"SUCCESS","started":"2026-11-21T08:06:10Z","ended":"2026-11-21T08:07:10Z","indices":["a","b"]}`)
}
