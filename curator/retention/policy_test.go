package retention

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestRefused: what is not understood is refused with what to write instead.
func TestRefused(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := Parse([]byte(text), "p.yml")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nerror %v\nwant  %q", text, err, want)
		}
	}
	const v = "version: 1\n"
	f("", "it is empty")
	f("[]", "it must be a section")
	f("default: 7d", `option "version" is required`)
	f("version: 2\ndefault: 7d", "this program knows 1")
	f(v, "the policy has no rule")
	f(v+"default: null", "the policy has no rule")
	f(v+"default: 7d\ndefault: 1d", "is given twice")
	f(v+"defualt: 7d", `did you mean "default"?`)
	f(v+"namespaces: {a: 7d, a: 1d}", "is given twice")

	f(v+"default: 7", "a number with h, d or w")
	f(v+"default: 3months", "30d, 365d")
	f(v+"default: 0d", "from 1h")
	f(v+"default: -7d", "a number with h, d or w")
	f(v+"default: 999999w", "100 years")
	f(v+"default: [7d]", "must be an age")
	f(v+"default: {}", "nothing would ever be deleted")
	f(v+"default: {keep_at_least: 7d}", "nothing would ever be deleted")
	f(v+"default: {age: 7d, keep_at_least: 8d}", `longer than "age"`)
	f(v+"default: {age: never}", `write "never" in place of the section`)
	f(v+"default: {size: 20}", "must be a size such as 200GiB")
	f(v+"default: {size: 0GiB}", "must be a size")
	f(v+"default: {days: 7}", "known options: age, keep_at_least, size")
	f(v+"namespaces: {a: }", "it says nothing")
	f(v+"namespaces: 7d", "must be a section")

	f(v+"namespaces: {Team: 7d}", `write "team"`)
	f(v+"namespaces: {a/b: 7d}", "no name has one of")
	f(v+"apps: {a/b/c: 7d}", "p.yml: apps \"a/b/c\": write NAMESPACE/APP")
	f(v+"apps: {/b: 7d}", "the name is empty")
	f(v+"indices: {'a,b': 7d}", "no name has one of")
	f(v+"indices: {'^(?!a)': 7d}", "cannot read the regular expression")
	f(v+"indices: {'{namespace}-x': 7d}", `said by "names"`)

	f(v+"namespaces: {team-*: 7d, '*-prod': 5d}", `namespaces "*-prod" and namespaces "team-*" are as specific as each other`)
	f(v+"indices: {'^abc.*': 7d, 'abc*': 5d}", "are as specific as each other")
	f(v+"apps: {'a/*b': 7d, 'a*/b': 5d}", "are as specific as each other")

	f(v+"default: 7d\nnames: []", "the list is empty")
	f(v+"default: 7d\nnames: ['{namespace}{app}-{date}']", "nothing stands between")
	f(v+"default: 7d\nnames: ['{namespace}']", "it reads every name")
	f(v+"default: 7d\nnames: ['*']", "it reads every name")
	f(v+"default: 7d\nnames: ['x-{pod}']", "{pod} is no place")
	f(v+"default: 7d\nnames: ['x-{app:%Y}']", "is no place")
	f(v+"default: 7d\nnames: ['x-{date}-{date}']", "in it twice")
	f(v+"default: 7d\nnames: ['X-{date}']", "lower case")
	f(v+"default: 7d\nnames: ['%{[kubernetes.namespace]}-{date}']", "places are {namespace}")
	f(v+"default: 7d\nnames: ['x-{date:%d.%m}']", "must say a year")
	f(v+"default: 7d\nnames: ['x-{date:%Y.%b}']", "known are %Y")
	f(v+"default: 7d\nnames: ['x-{date:%Y day %d}']", "may stand")
	f(v+"default: 7d\nby: age", "must be one of name, creation_date, field_stats")

	f(v+"default: 7d\ndisk: {high: 85%}", `"disk.keep_at_least" is required`)
	f(v+"default: 7d\ndisk: {high: 80%, low: 85%, keep_at_least: 2d}", `must be less than "disk.high"`)
	f(v+"default: 7d\ndisk: {high: 85, keep_at_least: 2d}", "a share of the disk such as 85%")
	f(v+"default: 7d\ndisk: {high: 100%, keep_at_least: 2d}", "a share of the disk")
	f(v+"default: 7d\ndisk: 85%", "section")
	f(v+"x: &x [a, a, a, a, a, a, a, a, a, a]\ny: &y [*x, *x, *x, *x, *x, *x, *x, *x, *x, *x]\nz: &z [*y, *y, *y, *y, *y, *y, *y, *y, *y, *y]\nw: &w [*z, *z, *z, *z, *z, *z, *z, *z, *z, *z]\nv: [*w, *w, *w, *w, *w, *w]", "more than")
	f(strings.Repeat("#", 2<<20), "larger than")
}

// TestWarnings: what is allowed but odd.
func TestWarnings(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		got := mustParse(t, "version: 1\n"+text).Warnings()
		if len(got) != len(want) {
			t.Errorf("%s: warnings %q, want %d", text, got, len(want))
			return
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("%s: warning %q, want %q in it", text, got[i], want[i])
			}
		}
	}
	f("default: 7d")
	f("default: 7d\nnames: ['logs-{namespace}_{app}-{date}', 'logs-{namespace}-{date}']\nnamespaces: {a: 1d}\napps: {b: 1d}")
	f("default: 7d\nnames: ['logs-{namespace}-{app}-{date}']\nnamespaces: {a: 1d}", "{namespace} and {app} may have the same letters")
	f("default: 7d\nnames: ['logs-{namespace}-{app}-{date}']")
	f("default: 7d\nnames: ['logs-{app}_{host}-{date}']\napps: {a: 1d}", "{app} and * may have the same letters")
	f("namespaces: {a: 7d}", "the rules for namespaces never hold")
	f("apps: {a/b: 7d}", "the rules for namespaces never hold", "the rules for apps never hold")
	f("default: 7d\nindices: {'logstash-*': 9d, 'logstash-podbeat-*': 10d}", "matches every name that \"logstash-{beat}-{host}-{date}\" reads", "matches every name that \"logstash-{beat}-{date}\" reads")
}

// TestForms: what is the same is read as the same.
func TestForms(t *testing.T) {
	same := func(a, b string) {
		t.Helper()
		x, y := mustParse(t, a), mustParse(t, b)
		if len(x.rules) != len(y.rules) {
			t.Fatalf("%d rules, and %d", len(x.rules), len(y.rules))
		}
		for i := range x.rules {
			if x.rules[i].String() != y.rules[i].String() {
				t.Errorf("%s\nand %s", x.rules[i], y.rules[i])
			}
		}
	}
	same("version: 1\ndefault: 14d\nnamespaces: {123: 48h, yes: 1w}", `{"version": 1, "default": {"age": "2w"}, "namespaces": {"123": {"age": "2d"}, "yes": "7d"}}`)
	same("version: '1'\nnamespaces:\n  a: &long {age: 90d, size: 1TiB}\n  b: *long", "version: 1\nnamespaces: {b: {size: 1024GiB, age: 90d}, a: {age: 90d, size: 1TiB}}")
	same("version: 1\ndefault: ' never '", "version: 1\ndefault: \"never\"")
}

func TestRotate(t *testing.T) {
	items := indices(days("logstash-podbeat-a-", 10, 0)...)
	f := func(doc, want string) {
		t.Helper()
		var d Document
		if err := json.Unmarshal([]byte(doc), &d); err != nil {
			t.Fatal(err)
		}
		p, err := d.Read()
		if err != nil {
			t.Errorf("%s: %v", doc, err)
			return
		}
		dec := p.Decide(items, nil, now)
		if got := names(dec.Delete); got != want {
			t.Errorf("%s\ndeletes %q\nwant    %q", doc, got, want)
		}
		if off := d.Rotate != nil && !d.Rotate.Enabled; off && (len(dec.Warnings) != 1 || !strings.Contains(dec.Keep[0].Why, "switched off since 2026-11-20T10:00Z by anna")) {
			t.Errorf("%s: warnings %q, why %q", doc, dec.Warnings, dec.Keep[0].Why)
		}
	}
	const two = "logstash-podbeat-a-2026.11.11 logstash-podbeat-a-2026.11.12"
	f(`{"version": 1, "policy": {"version": 1, "default": "8d"}}`, two)
	f(`{"version": 1, "policy": {"version": 1, "default": "1d"}, "rotate": {"enabled": true, "age": 8}}`, two)
	f(`{"version": 1, "policy": {"version": 1, "default": "8d"}, "rotate": {"enabled": true}}`, two)
	f(`{"version": 1, "policy": {"version": 1, "default": "never"}, "rotate": {"enabled": true, "age": 8}}`, two)
	f(`{"version": 1, "policy": {"version": 1, "namespaces": {"x": "1d"}}, "rotate": {"enabled": true, "age": 8}}`, two)
	f(`{"version": 1, "rotate": {"enabled": true, "age": 8.5}}`, "logstash-podbeat-a-2026.11.11")
	f(`{"version": 1, "policy": null, "rotate": {"enabled": true, "age": 8}}`, two)
	f(`{"version": 1, "policy": {"version": 1, "default": "8d"}, "rotate": {"enabled": false, "age": 1}, "updated_by": "anna", "updated_at": "2026-11-20T10:00:00Z"}`, "")

	bad := func(doc, want string) {
		t.Helper()
		var d Document
		if err := json.Unmarshal([]byte(doc), &d); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Read(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", doc, err, want)
		}
	}
	bad(`{"version": 1}`, `neither "policy" nor "rotate"`)
	bad(`{"version": 1, "rotate": {"enabled": false}}`, `neither "policy" nor "rotate"`)
	bad(`{"version": 1, "rotate": {"enabled": true, "age": -1}}`, `"rotate.age" must be`)
	bad(`{"version": 1, "rotate": {"enabled": true, "age": 0.001}}`, `"rotate.age" must be`)
	bad(`{"version": 1, "rotate": {"enabled": true, "age": 1e300}}`, `"rotate.age" must be`)
	bad(`{"version": 1, "policy": {"version": 1, "default": {"age": "7d", "keep_at_least": "3d"}}, "rotate": {"enabled": true, "age": 2}}`, `"keep_at_least"`)
	bad(`{"version": 1, "policy": "x"}`, "it must be a section")

	// Two rotations are two plans.
	read := func(age float64) string {
		p, err := (&Document{Version: 1, Rotate: &Rotate{Enabled: true, Age: age}}).Read()
		if err != nil {
			t.Fatal(err)
		}
		return p.SHA256
	}
	if read(7) == read(8) {
		t.Error("another age must be another policy")
	}
}

func TestExplain(t *testing.T) {
	p := mustParse(t, "version: 1\ndefault: 7d\nnames: ['logs-{namespace}_{app}-{date}']\nnamespaces: {payments: {age: 90d, size: 1TiB}}\nindices: {'old-*': 1d}")
	d := p.Decide(indices("logs-payments_api-2026.11.01", "old-2026.11.01"), nil, now)
	f := func(index, want string) {
		t.Helper()
		if got := p.Explain(index, d, now).String(); got != strings.TrimPrefix(want, "\n") {
			t.Errorf("got\n%s\nwant%s", got, want)
		}
	}
	f("logs-payments_api-2026.11.01", `
index    logs-payments_api-2026.11.01
read as  namespace payments, app api, date 2026.11.01, by "logs-{namespace}_{app}-{date}"
rule     namespaces "payments": age 90d, size 1TiB
not      default: age 7d (less specific)
goes     in the first run after 2027-01-31T00:00Z
why      named 2026.11.01, which ended 19 days ago, not yet 90d
`)
	f("old-2026.11.01", `
index    old-2026.11.01
read as  nothing: no template in "names" reads it
rule     indices "old-*": age 1d
goes     in the next run, unless a guard holds it back
why      named 2026.11.01, which ended 19 days ago, at least 1d
`)
	f("logs-shop_web-2026.11.30", `
index    logs-shop_web-2026.11.30
         there is no such index: this is what its name says
read as  namespace shop, app web, date 2026.11.30, by "logs-{namespace}_{app}-{date}"
rule     default: age 7d
goes     in the first run after 2026-12-08T00:00Z
why      named 2026.11.30, which ends in 9 days, not yet 7d
`)
	f("\x1b[31mx", `
index    \x1b[31mx
         there is no such index: this is what its name says
read as  nothing: no template in "names" reads it
rule     none
goes     never by its age
why      no rule holds for it: no template in "names" reads its name, and none in "indices" matches it
`)
}

// FuzzGlobs: two patterns meet if a text matches both.
func FuzzGlobs(f *testing.F) {
	f.Add("a*b*", "*ab", "aab")
	f.Add("*", "", "")
	f.Add("a*", "b*", "ab")
	f.Fuzz(func(t *testing.T, a, b, s string) {
		if len(a)+len(b)+len(s) > 300 {
			return
		}
		if glob(a, s) && glob(b, s) && !globsMeet(a, b) {
			t.Errorf("%q matches %q and %q, which are said not to meet", s, a, b)
		}
		if globsMeet(a, b) != globsMeet(b, a) {
			t.Errorf("%q and %q meet in one order only", a, b)
		}
		if !strings.Contains(a, "*") && glob(a, s) != (a == s) {
			t.Errorf("%q and %q", a, s)
		}
	})
}

// TestSpans: the parts of a year, in leap years and around ISO weeks.
func TestSpans(t *testing.T) {
	f := func(format, s, wantBegin, wantEnd string) {
		t.Helper()
		fields, err := parseDateFormat(format)
		if err != nil {
			t.Fatal(err)
		}
		n, begin, end, ok := readDate(fields, s)
		if got := begin.Format(time.DateOnly); !ok && wantBegin != "" || ok && (n != len(s) || got != wantBegin || end.Format("2006-01-02T15") != wantEnd) {
			t.Errorf("%s of %s: %s to %s, %v; want %s to %s", format, s, got, end, ok, wantBegin, wantEnd)
		}
	}
	f("%Y.%m.%d", "2024.02.29", "2024-02-29", "2024-03-01T00")
	f("%Y.%m.%d", "2026.02.29", "", "")
	f("%Y.%m.%d", "2026.13.01", "", "")
	f("%Y.%m.%d", "0000.00.00", "", "")
	f("%y%m%d", "261231", "2026-12-31", "2027-01-01T00")
	f("%Y.%m", "2026.12", "2026-12-01", "2027-01-01T00")
	f("%Y-%j", "2024-366", "2024-12-31", "2025-01-01T00")
	f("%Y-%j", "2026-366", "", "")
	f("%Y-%j", "2026-000", "", "")
	f("%G.%V", "2026.53", "2026-12-28", "2027-01-04T00")
	f("%G.%V", "2025.53", "", "")
	f("%G.%V", "2025.01", "2024-12-30", "2025-01-06T00")
	f("%G.%V", "2025.00", "", "")
	f("%Y.%m.%d.%H", "2026.12.31.23", "2026-12-31", "2027-01-01T00")
	f("%Y.%m.%d.%H", "2026.12.31.24", "", "")
}

// TestDateIn: the date in a name that no template reads.
func TestDateIn(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		r, ok := dateIn(name)
		if !ok && want != "" || ok && r.begin.Format(time.DateOnly)+" "+r.end.Format(time.DateOnly) != want {
			t.Errorf("%s: %+v %v, want %s", name, r, ok, want)
		}
	}
	f("audit-2026.11.01", "2026-11-01 2026-11-02")
	f("audit-2026-11-01-000003", "2026-11-01 2026-11-02")
	f("audit_20261101", "2026-11-01 2026-11-02")
	f("2020.01.01-2026.11", "2026-11-01 2026-12-01")
	f("audit-2026.02.31", "2026-02-01 2026-03-01")
	f("audit-1202611011", "")
	f("audit-000001", "")
	f("audit-9.2026", "")
	f("v2026", "")
	f("", "")
}

// TestDocumented: the policies in the documentation are right.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/curator-retention.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(version: 1\n.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) < 2 {
		t.Fatalf("%d policies in the documentation", len(blocks))
	}
	for _, b := range blocks {
		if p := mustParse(t, string(b[1])); len(p.Warnings()) > 0 {
			t.Errorf("%s\nwarnings %q", b[1], p.Warnings())
		}
	}
}
