package command

import (
	"strings"
	"testing"

	"github.com/podbeat/podbeat/test/services"
)

// TestOutputs: what each form looks like, on each server.
func TestOutputs(t *testing.T) {
	everywhere(t, func(t *testing.T, url string) {
		const index = "logtui-outputs"
		fill(t, url, index, 8)
		alone(t, url)
		usual := []string{"-i", index, "--range", "all", "--timezone", "utc"}
		f := func(want string, args ...string) {
			t.Helper()
			stdout, stderr, code := run(append(args, usual...)...)
			if code != 0 || stdout != want {
				t.Errorf("%q: got (exit code %d)\n%s%s\nwant\n%s", args, code, stdout, stderr, want)
			}
		}
		f("3\n", "query", "-o", "count", "kubernetes.namespace: shop")
		f("0\n", "query", "-o", "count", "nothing.like.this: x")
		f("", "query", "nothing.like.this: x")
		f("GET /cart 200\nconnection reset by peer\n", "query", "-o", "message", "-n", "2", "--sort", "asc")
		f("payment failed\n\tat Shop.pay(Shop.java:7)\n", "query", "-o", "message", "payment") // as it was stored
		f("ünïcode \u202e\x1b[31m red\n", "query", "-o", "message", "ünïcode")
		f("@timestamp,log.level,kubernetes.namespace,kubernetes.pod.name,kubernetes.container.name,message\r\n2026-11-20T10:01:00.000Z,info,web,front-0,,\"payment failed\n\tat Shop.pay(Shop.java:7)\"\r\n",
			"query", "-o", "csv", "payment")
		f("status\tlog.level\n300\tError\n500\tfatal\n", "query", "-o", "tsv", "--fields", "status,log.level", "-n", "2", "--sort", "asc", "status >= 200 and event.sequence >= 5 and not status: 400")
		f("[]\n", "query", "-o", "json", "none.such: x")
		f(`time UTC                 log.level  kubernetes.pod.name  message
2026-11-20 10:01:00.000  ERROR      job-1                user "anna" logged in
`, "query", `message: anna`)
		f(`time UTC                 log.level  kubernetes.pod.name  message
2026-11-20 10:01:00.000  INFO       front-0              payment failed …+1
`, "query", `payment`)
		f("time UTC                 log.level  kubernetes.pod.name  message\n2026-11-20 10:02:00.000  INFO       cart-2               ünïcode ⟨U+202E⟩␛[31m red\n", "query", "ünïcode")
		f("time UTC             lines  info  warn  error\n2026-11-20 10:00:00      3     1     1      1\n", "query", "-o", "histogram", "--interval", "1m", "event.sequence < 3")
		f("2  100.0 %  GET /cart <*>\n", "patterns", "--query", "message: cart")
		f("4  eu\n1  us\n", "values", "region", "--chip", "not event.sequence: (1 or 3 or 5)", "--exact")
	})
}

// TestNotAllIndices: what some indices cannot give does not hide what the others have.
func TestNotAllIndices(t *testing.T) {
	url := services.Elasticsearch(t, 8)
	alone(t, url)
	for name, types := range map[string][2]string{"logtui-part-0": {"date", "long"}, "logtui-part-1": {"keyword", "long"}, "logtui-part-2": {"date", "keyword"}} {
		services.Call(t, "PUT", url+"/"+name, `{"mappings":{"properties":{"@timestamp":{"type":"`+types[0]+`"},"took":{"type":"`+types[1]+`"}}}}`, 200)
		t.Cleanup(func() { services.Call(t, "DELETE", url+"/"+name, "", 200) })
		services.Call(t, "PUT", url+"/"+name+"/_doc/1?refresh=true", `{"@timestamp":"2026-11-20T12:00:00Z","took":1}`, 201)
	}
	services.Call(t, "PUT", url+"/logtui-part-0/_doc/2?refresh=true", `{"took":2}`, 201)
	one, both := "logtui-part-0\t2\nlogtui-part-0\t1\n", "logtui-part-0\t2\nlogtui-part-0\t1\nlogtui-part-2\t1\n"
	for _, test := range []struct {
		args   string
		stdout string
		stderr string
		code   int
	}{
		{"query -o ids -i logtui-part-0 --range all", one, "", 0},
		{"query -o ids -i logtui-part-0 --range yesterday", "", "no lines found in logtui-part-0, time range yesterday", 0},
		{"query -o count -i logtui-part-0 --range all", "2\n", "", 0},
		{"query -o ids -i logtui-part-* --range all", both, "@timestamp is no date in logtui-part-1", 0},
		{"query -o ids -i logtui-part-* --range all --sort asc", both, "@timestamp is no date in logtui-part-1", 0},
		{"query -o ids -i logtui-part-0,logtui-part-2 --range all took>=word", "", "1 of 2 shards failed", 1},
		{"query -o ids -i logtui-part-0,logtui-part-2 --range all took>=0x", "logtui-part-2\t1\n", "1 of 2 shards failed", 1},
		{"query -o count -i logtui-part-0,logtui-part-2 --range all took>=0x", "≥1\n", "1 of 2 shards failed", 1},
		{"query -i logtui-part-0 --range all tok:1", "", "there is no field tok", 0},
		{"query -i logtui-part-0 --range yesterday --tail", "", "ends before now", 2},
		{"query -i logtui-part-0 --out -", "", "leave it out", 2},
		{"query -i logtui-part-0 --range all --out lines.csv.gz", "", "gzip", 2},
		{"patterns -i logtui-part-* --range all", "", "@timestamp is no date in logtui-part-1", 0},
	} {
		stdout, stderr, code := run(strings.Fields(test.args)...)
		if test.stdout != "" && stdout != test.stdout || code != test.code || !strings.Contains(stderr, test.stderr) || test.stderr == "" && stderr != "" {
			t.Errorf("%s: %d %q %q, want %d %q %q", test.args, code, stdout, stderr, test.code, test.stdout, test.stderr)
		}
	}
}
