package command

import "testing"

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
