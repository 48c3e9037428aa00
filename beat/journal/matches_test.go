package journal

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// textOf is a filter as journalctl prints it at debug level.
func textOf(f filter) string {
	var groups []string
	for _, g := range f {
		var terms []string
		for _, t := range g {
			terms = append(terms, strings.Join(t, " "))
		}
		groups = append(groups, strings.Join(terms, " OR "))
	}
	return strings.Join(groups, " AND ")
}

func TestMatches(t *testing.T) {
	const unit = "_SYSTEMD_UNIT=a.service OR _PID=1 UNIT=a.service OR MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1 _UID=0 COREDUMP_UNIT=a.service OR _UID=0 OBJECT_SYSTEMD_UNIT=a.service"
	f := func(want string, o options) {
		t.Helper()
		have, err := matches(&o, "b0")
		if err != nil {
			have = nil
			equal(t, "error", err.Error(), want)
			return
		}
		equal(t, "filter", textOf(have), want)
	}
	f("", options{Boot: "all"})
	f("_BOOT_ID=b0", options{Boot: "current"})
	f(unit, options{Units: []string{"a"}})
	f(unit, options{Units: []string{"a.service"}})
	f(strings.ReplaceAll(unit, "a.service", "a.b.service"), options{Units: []string{"a.b"}})
	f(strings.ReplaceAll(unit, "a.service", "a.timer"), options{Units: []string{"a.timer"}})
	f(strings.ReplaceAll(unit, "a.service", "a.slice")+" OR _SYSTEMD_SLICE=a.slice", options{Units: []string{"a.slice"}})
	f("_TRANSPORT=kernel", options{Kernel: true})
	f(unit+" OR _TRANSPORT=kernel", options{Units: []string{"a"}, Kernel: true})
	f("SYSLOG_IDENTIFIER=a SYSLOG_IDENTIFIER=b", options{Identifiers: []string{"a", "b"}})
	f("_TRANSPORT=stdout", options{Transports: []string{"stdout"}})
	f("A=1 A=2 B=3 OR C=4", options{IncludeMatches: []string{"A=1", "A=2", "B=3", "+", "C=4"}})
	f("A=1", options{IncludeMatches: []string{"+", "A=1", "+", "+"}})
	f("A=x=y", options{IncludeMatches: []string{"A=x=y"}})
	f("_BOOT_ID=b0 AND _TRANSPORT=kernel AND SYSLOG_IDENTIFIER=i AND _TRANSPORT=t AND A=1",
		options{Boot: "current", Kernel: true, Identifiers: []string{"i"}, Transports: []string{"t"}, IncludeMatches: []string{"A=1"}})
	f(`cannot use match "a=1": want FIELD=value, with a field name of A-Z, 0-9 and _`, options{IncludeMatches: []string{"a=1"}})
	f(`cannot use match "__CURSOR=1": want FIELD=value, with a field name of A-Z, 0-9 and _`, options{IncludeMatches: []string{"__CURSOR=1"}})
	f(`cannot use match "A": want FIELD=value, with a field name of A-Z, 0-9 and _`, options{IncludeMatches: []string{"A"}})
	f(`cannot use match "=1": want FIELD=value, with a field name of A-Z, 0-9 and _`, options{IncludeMatches: []string{"=1"}})
}

// Each filter lets through what journalctl does with its options.
func TestMatchesAsJournalctl(t *testing.T) {
	dir := t.TempDir()
	var es []exported
	units := []string{"a.service", "b.service", "c.timer", "d.slice"}
	for i := range 240 {
		unit := units[i%4]
		fields := []string{"SYSLOG_IDENTIFIER=" + []string{"x", "y", "z"}[i%3], fmt.Sprintf("A=%d", i%5), fmt.Sprintf("B=%d", i%7)}
		switch i % 11 {
		case 0:
			fields = append(fields, "_PID=1", "UNIT="+unit)
		case 1:
			fields = append(fields, "_PID=2", "UNIT="+unit)
		case 2:
			fields = append(fields, "MESSAGE_ID="+coredumpID, "_UID=0", "COREDUMP_UNIT="+unit)
		case 3:
			fields = append(fields, "_UID=0", "OBJECT_SYSTEMD_UNIT="+unit)
		case 4:
			fields = append(fields, "_SYSTEMD_SLICE=d.slice")
		default:
			fields = append(fields, "_SYSTEMD_UNIT="+unit)
		}
		e := nth(i+1, fields...)
		e.fields[2][1] = []string{"journal", "stdout", "kernel", "syslog"}[i*7%13%4]
		if i >= 120 {
			e.boot = currentBoot()
		}
		es = append(es, e)
	}
	makeJournal(t, dir, es[:100], es[100:])
	f := func(o options, args ...string) {
		t.Helper()
		full := testOptions(dir)
		full.Units, full.Kernel, full.Identifiers, full.Transports = o.Units, o.Kernel, o.Identifiers, o.Transports
		full.IncludeMatches, full.Boot = o.IncludeMatches, o.Boot
		gs, m := readAll(t, full)
		if len(gs) == 0 {
			t.Errorf("%v: no entry", args)
		}
		sameAs(t, gs, append([]string{"--directory", dir}, args...)...)
		equal(t, "gaps.available", m.gapsKnown.Get(), false)
	}
	f(options{Units: []string{"a"}}, "-u", "a")
	f(options{Units: []string{"b", "c.timer"}}, "-u", "b", "-u", "c.timer")
	f(options{Units: []string{"d.slice"}}, "-u", "d.slice")
	f(options{Kernel: true}, "_TRANSPORT=kernel")
	f(options{Identifiers: []string{"x", "z"}}, "-t", "x", "-t", "z")
	f(options{Units: []string{"a"}, Identifiers: []string{"x"}}, "-u", "a", "-t", "x")
	f(options{Transports: []string{"stdout", "syslog"}}, "_TRANSPORT=stdout", "_TRANSPORT=syslog")
	f(options{IncludeMatches: []string{"A=1", "A=2", "B=3", "+", "B=5"}}, "A=1", "A=2", "B=3", "+", "B=5")
	f(options{Units: []string{"a"}, IncludeMatches: []string{"A=1"}}, "-u", "a", "A=1")
	f(options{Boot: "current"}, "_BOOT_ID="+currentBoot())
	f(options{Boot: "current", Identifiers: []string{"y"}}, "-t", "y", "_BOOT_ID="+currentBoot())
}

func TestExclude(t *testing.T) {
	dir := t.TempDir()
	makeJournal(t, dir, series(1, 40), series(41, 80))
	o := testOptions(dir)
	o.ExcludeMatches = []string{"PRIORITY=1", "PRIORITY=2", "N=8", "N=9=", "MESSAGE=message 80"}
	gs, m := readAll(t, o)
	equal(t, "read", len(gs), 80-22)
	equal(t, "filtered", m.filtered.Get(), 22)
	equal(t, "read", m.read.Get(), 22) // those handed out are counted where they are taken
	equal(t, "gaps.available", m.gapsKnown.Get(), true)
	equal(t, "gaps", m.gaps.Get(), 0)
}

// Read says that nothing has come when it has looked at all there is, not when it has passed over excluded entries for so long: a
// message that waits for its last part would be sent without it.
func TestExcludedIsNotNothing(t *testing.T) {
	dir := t.TempDir()
	es := series(1, 9000)
	es[8999].fields[3][1] = "other"
	makeJournal(t, dir, es)
	o := testOptions(dir)
	o.ExcludeMatches = []string{"_HOSTNAME=node"}
	o.PollInterval = time.Nanosecond
	r, _ := testReader(t, o, position{})
	n, err := r.Read(context.Background(), make([]Entry, 16))
	must(t, err)
	equal(t, "read", n, 1)
}
