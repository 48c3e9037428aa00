package retention

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/filter"
)

// now is the clock of these tests.
var now = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

func mustParse(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := Parse([]byte(text), "retention.yml")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// index is one that was made days ago and has gib GiB.
func index(name string, days int, gib int64) filter.Item {
	return filter.Item{Name: name, UUID: "u-" + name, Created: now.AddDate(0, 0, -days), Docs: 10, Size: gib << 30,
		Settings: map[string]string{ilmName: ""}}
}

func indices(names ...string) (items []filter.Item) {
	for _, n := range names {
		items = append(items, index(n, 100, 1))
	}
	return items
}

func names(choices []Choice) string {
	var out []string
	for _, c := range choices {
		out = append(out, c.Name)
	}
	return strings.Join(out, " ")
}

// days returns the names of daily indices from the oldest, from days ago, to the newest.
func days(prefix string, oldest, newest int) (list []string) {
	for d := oldest; d >= newest; d-- {
		list = append(list, prefix+now.AddDate(0, 0, -d).Format("2006.01.02"))
	}
	return list
}

func TestAge(t *testing.T) {
	f := func(policy string, items []filter.Item, want string) {
		t.Helper()
		if got := names(mustParse(t, "version: 1\n"+policy).Decide(items, nil, now).Delete); got != want {
			t.Errorf("%s\ndeletes %q\nwant    %q", policy, got, want)
		}
	}
	// A line is kept for the whole of the age: the day before the seventh is still there.
	f("default: 7d", indices(days("logstash-podbeat-node1-", 10, 0)...), "logstash-podbeat-node1-2026.11.11 logstash-podbeat-node1-2026.11.12 logstash-podbeat-node1-2026.11.13")
	f("default: 24h", indices(days("logstash-podbeat-node1-", 2, 0)...), "logstash-podbeat-node1-2026.11.19")
	f("default: 1w", indices("logstash-podbeat-2026.11.13", "logstash-podbeat-2026.11.14"), "logstash-podbeat-2026.11.13")

	// Hosts of every kind of name, and what the host's name looks like a date.
	hosts := indices("logstash-journalbeat-node1_example_com-2026.11.01", "logstash-podbeat-10_0_0_1-2026.11.01", "logstash-filebeat-10-0-0-1-2026.11.01",
		"logstash-podbeat-kvm-009660_novalocal-2026.11.01", "logstash-podbeat-2026.11.20-2026.11.01", "logstash-push-_-2026.11.01", "logstash-podbeat-2026.11.01")
	sorted := strings.Fields(names(mustParse(t, "version: 1\ndefault: never").Decide(hosts, nil, now).Keep))
	f("default: 7d", hosts, strings.Join(sorted, " "))

	// What is not podbeat's is not the default's business; nor is what has no such day.
	f("default: 7d", indices("products", "audit-2020.01.01", ".kibana_1", "logstash-podbeat-a-2026.02.31", "logstash-2020.01.01", "logstash-podbeat-a-2026.11"), "")
	f("default: 7d\nindices: {'audit-*': 30d, 'prod*': 90d, '*kiban*': 1h}", indices("products", "audit-2026.10.20", "audit-2026.10.30", ".kibana_1"), "products audit-2026.10.20")
	f("default: 1h\nindices: {'.kibana*': 1h}", indices(".kibana_1"), ".kibana_1")

	// The date in a name wins over the creation, which is later after a restore.
	f("default: 7d\nindices: {'x-*': 7d}", []filter.Item{index("x-2026.01.01", 1, 1), index("x-2026.11.20", 90, 1), index("x-000007", 8, 1), index("x-000008", 6, 1)}, "x-2026.01.01 x-000007")
	f("default: 7d\nby: creation_date", []filter.Item{index("logstash-podbeat-2026.01.01", 1, 1), index("logstash-podbeat-2026.11.20", 90, 1)}, "logstash-podbeat-2026.11.20")
	f("default: 7d\nindices: {'x*': 1d}", []filter.Item{{Name: "x", Settings: map[string]string{ilmName: ""}}}, "")
	f("default: 1h", indices("logstash-podbeat-2027.01.01"), "")

	// Units of names.
	f("default: 7d\nnames: ['a-{date:%Y.%m}', 'b-{date:%G.%V}', 'c-{date:%Y.%m.%d.%H}', 'd-{date:%Y-%j}', 'e{date:%Y}']",
		indices("a-2026.10", "a-2026.11", "b-2026.45", "b-2026.46", "c-2026.11.14.06", "c-2026.11.14.09", "d-2026-317", "d-2026-318", "e2025", "e2026"),
		"e2025 a-2026.10 b-2026.45 d-2026-317 c-2026.11.14.06")
}

func TestFieldStats(t *testing.T) {
	p := mustParse(t, "version: 1\ndefault: 7d\nby: field_stats")
	items := indices("logstash-podbeat-2026.01.01", "logstash-podbeat-2026.11.20", "logstash-podbeat-2026.01.02", "other")
	items[2].Settings = nil
	d := p.Decide(items, nil, now)
	if len(d.Missing) != 2 || d.Missing[0].Fact != filter.Settings || !slices.Equal(d.Missing[0].Names, []string{items[2].Name}) ||
		d.Missing[1].Fact != filter.FieldRange || d.Missing[1].Field != "@timestamp" || len(d.Missing[1].Names) != 3 || d.Delete != nil || d.Keep != nil {
		t.Fatalf("missing %+v", d)
	}
	items[0].Fields = map[string]filter.Range{"@timestamp": {Min: now.AddDate(-1, 0, 0), Max: now.AddDate(0, 0, -1)}}
	items[1].Fields = map[string]filter.Range{"@timestamp": {Min: now.AddDate(-1, 0, 0), Max: now.AddDate(0, 0, -8)}}
	items[2].Fields = map[string]filter.Range{"@timestamp": {Empty: true}}
	items[2].Settings = map[string]string{ilmName: "thirty"}
	items[3].Fields = items[1].Fields
	if got, want := names(p.Decide(items, nil, now).Delete), "logstash-podbeat-2026.11.20"; got != want {
		t.Errorf("deletes %q, want %q", got, want)
	}
	if got, want := names(mustParse(t, "version: 1\ndefault: 7d\nby: field_stats\nallow_ilm_indices: true").Decide(items, nil, now).Delete), "logstash-podbeat-2026.01.02 logstash-podbeat-2026.11.20"; got != want {
		t.Errorf("deletes %q, want %q: an empty index is as old as its name says", got, want)
	}
}

// TestRules: which rule holds.
func TestRules(t *testing.T) {
	const policy = `version: 1
default: 7d
names: ["logs-{namespace}_{app}-{date}", "logs-{namespace}-{date}"]
namespaces:
  payments: 90d
  team-*: 14d
  team-red*: 15d
  team-red: 16d
apps:
  nginx: 2d
  ng*: 3d
  payments/nginx: 60d
  payments/ng*: 61d
  "*/api": 62d
indices:
  logs-payments_audit*: never
  logs-payments_audit-2026.11.01: 1d
  "^other-[a-z]+$": 5d
`
	f := func(name, want string) {
		t.Helper()
		p := mustParse(t, policy)
		d := p.Decide(indices(name), nil, now)
		all := append(d.Delete, d.Keep...)
		if len(all) != 1 || all[0].Rule != want {
			t.Errorf("%s: rule %q, want %q: %s", name, all[0].Rule, want, all[0].Why)
		}
	}
	f("logs-shop_web-2026.11.01", "default")
	f("logs-shop-2026.11.01", "default")
	f("logs-payments-2026.11.01", `namespaces "payments"`)
	f("logs-payments_web-2026.11.01", `namespaces "payments"`)
	f("logs-team-blue_web-2026.11.01", `namespaces "team-*"`)
	f("logs-team-redish_web-2026.11.01", `namespaces "team-red*"`)
	f("logs-team-red_web-2026.11.01", `namespaces "team-red"`)
	f("logs-team-red_nginx-2026.11.01", `apps "nginx"`)
	f("logs-payments_nginx-2026.11.01", `apps "payments/nginx"`)
	f("logs-payments_ngx-2026.11.01", `apps "payments/ng*"`)
	f("logs-shop_ngx-2026.11.01", `apps "ng*"`)
	f("logs-shop_api-2026.11.01", `apps "*/api"`)
	f("logs-payments_audit-2026.11.02", `indices "logs-payments_audit*"`)
	f("logs-payments_audit-2026.11.01", `indices "logs-payments_audit-2026.11.01"`)
	f("other-x", `indices "^other-[a-z]+$"`)
	f("other-x1", "")
	f("logs-2026.11.01", "")
	f("logs-Pay-2026.11.01", "")
}

// TestDoubt: a name that can be read in several ways is kept as long as the longest of the rules says.
func TestDoubt(t *testing.T) {
	f := func(rules, index, wantRule string, wantDoubt bool) {
		t.Helper()
		p := mustParse(t, "version: 1\nnames: ['logs-{namespace}-{app}-{date}']\n"+rules)
		d := p.Decide(indices(index), nil, now)
		c := append(d.Delete, d.Keep...)[0]
		if c.Rule != wantRule || (len(d.Warnings) > 0) != wantDoubt {
			t.Errorf("%s: %s: rule %q, want %q; warnings %q", rules, index, c.Rule, wantRule, d.Warnings)
		}
	}
	const rules = "default: 7d\nnamespaces: {team: 1d, team-a: 30d}"
	f(rules, "logs-team-web-2026.11.01", `namespaces "team"`, false)
	f(rules, "logs-team-a-web-2026.11.01", `namespaces "team-a"`, true)
	f(rules, "logs-team-a-2026.11.01", `namespaces "team"`, false)
	f(rules, "logs-team-b-web-2026.11.01", "default", true)
	f(rules, "logs-shop-a-b-2026.11.01", "default", false)
	f("namespaces: {team: 1d}", "logs-team-b-web-2026.11.01", "", true)
	f("default: 7d\napps: {web: 1d, b-web: 3d}", "logs-team-b-web-2026.11.01", `apps "b-web"`, true)
	f("indices: {'^zzab.*': 5d, '^abcde|abcdf': 3d}", "zzabcdf", `indices "^zzab.*"`, true)
	f("indices: {'^zzab.*': 3d, '^abcde|abcdf': 5d}", "zzabcdf", `indices "^abcde|abcdf"`, true)
	name := "logs-" + strings.Repeat("a-", 120) + "b-2026.11.01"
	f("default: 1d\nnamespaces: {a: 1h}", name, "default", true)
	p := mustParse(t, "version: 1\nnames: ['logs-{namespace}-{app}-{host}-{date}']\ndefault: 1h")
	if d := p.Decide(indices(name), nil, now); len(d.Delete) != 0 || len(d.Warnings) != 1 {
		t.Errorf("a name with more readings than are looked at must be kept, and said: %+v", d)
	}
}

func TestSize(t *testing.T) {
	f := func(rule string, items []filter.Item, want string, wantWarning bool) {
		t.Helper()
		d := mustParse(t, "version: 1\nindices: {'x-*': "+rule+"}").Decide(items, nil, now)
		if got := names(d.Delete); got != want || (len(d.Warnings) > 0) != wantWarning {
			t.Errorf("%s deletes %q, want %q; warnings %q", rule, got, want, d.Warnings)
		}
	}
	var week []filter.Item
	for _, name := range days("x-", 6, 0) {
		week = append(week, index(name, 0, 2))
	}
	f("{size: 14GiB}", week, "", false)
	f("{size: 13GiB}", week, "x-2026.11.15", false)
	f("{size: 7GiB}", week, "x-2026.11.15 x-2026.11.16 x-2026.11.17 x-2026.11.18", false)
	f("{size: 7GiB, age: 2d}", week, "x-2026.11.15 x-2026.11.16 x-2026.11.17 x-2026.11.18", false)
	f("{size: 7GiB, keep_at_least: 4d}", week, "x-2026.11.15 x-2026.11.16", true)
	f("{size: 1GiB}", week, "x-2026.11.15 x-2026.11.16 x-2026.11.17 x-2026.11.18 x-2026.11.19 x-2026.11.20", true)

	// The newest stays even if it alone is too large, and closed indices, of which nobody knows the size, stay.
	huge := []filter.Item{index("x-1", 3, 1), index("x-2", 2, 1), index("x-3", 1, 100)}
	f("{size: 10GiB}", huge, "x-1 x-2", true)
	huge[0].Closed, huge[0].Size = true, -1
	f("{size: 101GiB}", huge, "", false)
	f("{size: 100GiB}", huge, "x-2", false)
}

func TestDisk(t *testing.T) {
	const gib = 1 << 30
	items := []filter.Item{index("x-2026.11.10", 0, 10), index("x-2026.11.11", 0, 10), index("x-2026.11.12", 0, 10), index("x-2026.11.19", 0, 10), index("x-2026.11.20", 0, 10),
		index("keep-2020.01.01", 0, 10), index("long-2020.01.01", 0, 10), index("foreign", 0, 10)}
	disks := func(a, b int64) []Disk {
		return []Disk{
			{Node: "b", Total: 100 * gib, Used: b * gib, Held: map[string]int64{"x-2026.11.10": 10 * gib, "keep-2020.01.01": 10 * gib}},
			{Node: "a", Total: 100 * gib, Used: a * gib, Held: map[string]int64{"x-2026.11.11": 10 * gib, "x-2026.11.12": 10 * gib, "x-2026.11.19": 10 * gib, "x-2026.11.20": 10 * gib,
				"foreign": 10 * gib, "long-2020.01.01": gib}},
		}
	}
	low := "80%"
	f := func(a, b int64, want string, wantWarning bool) {
		t.Helper()
		p := mustParse(t, "version: 1\nindices: {'x-*': 30d, 'keep-*': never, 'long-*': {age: 30000d, keep_at_least: 20000d}}\ndisk: {low: "+low+", keep_at_least: 1d}")
		d := p.Decide(items, disks(a, b), now)
		if got := names(d.Delete); got != want || (len(d.Warnings) > 0) != wantWarning {
			t.Errorf("disks %d %% and %d %%: deletes %q, want %q; warnings %q", a, b, got, want, d.Warnings)
		}
		for _, c := range d.Delete {
			if c.Rule != "disk" || !strings.HasPrefix(c.Why, "disk: that of node ") {
				t.Errorf("rule %q, why %q", c.Rule, c.Why)
			}
		}
	}
	f(85, 85, "", false)
	f(86, 20, "x-2026.11.11", false)
	f(95, 20, "x-2026.11.11 x-2026.11.12", false)
	f(20, 90, "x-2026.11.10", false)
	f(20, 99, "x-2026.11.10", true)
	low = "50%"
	f(99, 20, "x-2026.11.11 x-2026.11.12 x-2026.11.19", true) // 20 November is not yet a day old
}

// TestAhead: what lies in the future stays, and is named.
func TestAhead(t *testing.T) {
	f := func(want string, names ...string) {
		t.Helper()
		d := mustParse(t, "version: 1\ndefault: 1h\nnames: ['x-{date}', 'm-{date:%Y.%m}']").Decide(indices(names...), nil, now)
		if len(d.Delete) != 0 || (len(d.Warnings) > 0) != (want != "") || want != "" && !strings.HasPrefix(d.Warnings[0], "dated in the future and kept until then: "+want+".") {
			t.Errorf("%v: warnings %q, want one about %q", names, d.Warnings, want)
		}
	}
	f("", "x-2026.11.21", "x-2026.11.22", "m-2026.11")
	f("x-2026.11.23, m-2026.12", "x-2026.11.22", "x-2026.11.23", "m-2026.12")
	f("x-2099.01.01", "x-2099.01.01", "m-2026.11")
}

// TestEveryDay runs a policy every day for two months, with hosts of every kind of name and days on which
// nothing ran: what is left is always today and the whole days that the policy names.
func TestEveryDay(t *testing.T) {
	p := mustParse(t, "version: 1\ndefault: 7d\nindices: {'*-long-*': 20d}")
	hosts := []string{"node1", "node1_example_com", "10_0_0_1", "10-0-0-1", "kvm-009660_novalocal", "a", "1", "_", "x_2026_01_01", "2026", "long"}
	there := map[string]bool{}
	var at time.Time
	for d := range 60 {
		at = now.AddDate(0, 0, d)
		for i, h := range hosts {
			there[[]string{"logstash-podbeat-", "logstash-journalbeat-", "logstash-filebeat-"}[i%3]+h+"-"+at.Format("2006.01.02")] = true
		}
		if d%5 == 3 {
			continue
		}
		var items []filter.Item
		for name := range there {
			items = append(items, filter.Item{Name: name, Created: at, Size: 1, Settings: map[string]string{ilmName: ""}})
		}
		for _, c := range p.Decide(items, nil, at).Delete {
			delete(there, c.Name)
		}
		for i, h := range hosts {
			whole := 7
			if h == "long" {
				whole = 20
			}
			for back := range d + 1 {
				name := []string{"logstash-podbeat-", "logstash-journalbeat-", "logstash-filebeat-"}[i%3] + h + "-" + at.AddDate(0, 0, -back).Format("2006.01.02")
				if there[name] != (back <= whole) {
					t.Fatalf("on day %d, %s is there: %v", d, name, there[name])
				}
			}
		}
	}
}

// TestSeedExpression: the well-known expression is accepted, and what it never matches is named.
func TestSeedExpression(t *testing.T) {
	const seed = `^logstash-journalbeat-(([a-zA-Z]|[a-zA-Z][a-zA-Z0-9\-]*[a-zA-Z0-9])\.)*([A-Za-z]|[A-Za-z][A-Za-z0-9\-]*[A-Za-z0-9])-.*$`
	p := mustParse(t, "version: 1\ndefault: 14d\nindices:\n  '"+seed+"': 7d\n")
	d := p.Decide(indices("logstash-journalbeat-node1-2026.11.10", "logstash-journalbeat-node1_example_com-2026.11.10", "logstash-journalbeat-10_0_0_1-2026.11.10",
		"logstash-journalbeat-10_0_0_1-2026.11.11", "logstash-filebeat-node1-2026.11.10", "products"), nil, now)
	if got, want := names(d.Delete), "logstash-journalbeat-node1-2026.11.10"; got != want {
		t.Errorf("deletes %q, want %q", got, want)
	}
	want := "can never match logstash-filebeat-node1-*, logstash-journalbeat-10_0_0_1-*, logstash-journalbeat-node1_example_com-*:"
	if len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], want) {
		t.Errorf("warnings %q, want %q in one", d.Warnings, want)
	}
	if !regexp.MustCompile(seed).MatchString("logstash-journalbeat-kvm-009660_novalocal-2026.11.10") {
		t.Error("the expression is not the one meant")
	}
}

// TestWhy: the reasons, as people read them.
func TestWhy(t *testing.T) {
	f := func(policy, index, want string) {
		t.Helper()
		d := mustParse(t, "version: 1\n"+policy).Decide(indices(index), nil, now)
		if c := append(d.Delete, d.Keep...)[0]; c.Why != want {
			t.Errorf("why %q\nwant %q", c.Why, want)
		}
	}
	f("default: 7d", "logstash-podbeat-2026.11.01", "named 2026.11.01, which ended 19 days ago, at least 7d")
	f("default: 30d", "logstash-podbeat-2026.11.01", "named 2026.11.01, which ended 19 days ago, not yet 30d")
	f("default: 30d", "logstash-podbeat-2026.11.21", "named 2026.11.21, which ends in 16 hours, not yet 30d")
	f("indices: {x: 5d}", "x", "created 2026-08-13T08:00Z, 100 days ago, at least 5d")
	f("default: never", "logstash-podbeat-2026.11.21", "kept for ever: never")
	f("default: 7d", "x", `no rule holds for it: no template in "names" reads its name, and none in "indices" matches it`)
	f("namespaces: {x: 1d}", "logstash-podbeat-2026.11.21", "no rule holds for it")
}

// FuzzDecide: whatever the names, a decision is about each index once and only about what there is.
func FuzzDecide(f *testing.F) {
	f.Add("version: 1\ndefault: 7d", "logstash-podbeat-a-2026.11.01", int64(100))
	f.Add("version: 1\nnames: ['{namespace}-{app}-{date:%y%j}']\nnamespaces: {a*: 1h}\napps: {a/b: never}\ndisk: {keep_at_least: 1d}", "a-b-c-26001", int64(-5))
	f.Add("version: 1\nindices: {'^.*': {size: 1b, keep_at_least: 2w}}", "x", int64(1))
	f.Fuzz(func(t *testing.T, policy, name string, size int64) {
		p, err := Parse([]byte(policy), "p")
		if err != nil {
			return
		}
		items := indices(name, "logstash-podbeat-2026.11.20", "second-"+name)
		items[0].Size = size
		d := p.Decide(items, []Disk{{Node: "n", Used: size, Total: 1, Held: map[string]int64{name: size}}}, now)
		if len(d.Delete)+len(d.Keep) != len(items) {
			t.Fatalf("%d decided, of %d", len(d.Delete)+len(d.Keep), len(items))
		}
		for _, c := range d.Delete {
			if c.Rule == "" || c.Why == "" || p.ruleOf(c.Name).rule == nil || p.ruleOf(c.Name).rule.never {
				t.Errorf("%q is deleted by %q: %s", c.Name, c.Rule, c.Why)
			}
		}
		_ = p.Explain(name, d, now).String()
		_ = fmt.Sprint(p.Warnings())
	})
}
