package journal

import (
	"slices"
	"strings"

	"github.com/podbeat/podbeat/journal"
)

// A filter says what is left out while reading: an entry passes if it passes every group; a
// group, if any of its terms; a term, if for every field it names one of that field's matches
// holds. Each match is FIELD=value. The empty filter passes everything.
type (
	filter     = journal.Filter
	matchGroup = journal.Group
	term       = journal.Term
)

// coredumpID is the MESSAGE_ID of systemd-coredump's report.
const coredumpID = "fc2e22bc6ee647b6b90729ab34a250b1"

// matches says which entries o asks for, as journalctl combines its -b, -k, -u, -t and FIELD=value:
// groups narrow each other, values within one widen it. kernel beside units widens them.
func matches(o *options, bootID string) (filter, error) {
	var f filter
	if o.Boot == "current" {
		f = append(f, matchGroup{{"_BOOT_ID=" + bootID}})
	}
	var units matchGroup
	for _, u := range o.Units {
		units = append(units, unitTerms(u)...)
	}
	if o.Kernel {
		units = append(units, term{"_TRANSPORT=kernel"})
	}
	f = append(f, units, matchGroup{fieldTerm("SYSLOG_IDENTIFIER", o.Identifiers)}, matchGroup{fieldTerm("_TRANSPORT", o.Transports)})

	var include matchGroup
	var t term
	for _, m := range o.IncludeMatches {
		if m == "+" {
			include, t = append(include, t), nil
			continue
		}
		t = append(t, m)
	}
	f = append(f, append(include, t))

	var out filter
	for _, g := range f {
		g = slices.DeleteFunc(g, func(t term) bool { return len(t) == 0 })
		if len(g) > 0 {
			out = append(out, g)
		}
	}
	return out, out.Check()
}

// unitTerms are journalctl -u's alternatives: what the unit writes, what systemd and other
// privileged programs write about it, its core dumps, and, for a slice, what is in it.
func unitTerms(unit string) []term {
	if !hasUnitSuffix(unit) {
		unit += ".service"
	}
	terms := []term{
		{"_SYSTEMD_UNIT=" + unit},
		{"_PID=1", "UNIT=" + unit},
		{"MESSAGE_ID=" + coredumpID, "_UID=0", "COREDUMP_UNIT=" + unit},
		{"_UID=0", "OBJECT_SYSTEMD_UNIT=" + unit},
	}
	if strings.HasSuffix(unit, ".slice") {
		terms = append(terms, term{"_SYSTEMD_SLICE=" + unit})
	}
	return terms
}

var unitSuffixes = []string{"service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope"}

func hasUnitSuffix(unit string) bool {
	i := strings.LastIndexByte(unit, '.')
	return i > 0 && slices.Contains(unitSuffixes, unit[i+1:])
}

func fieldTerm(field string, values []string) term {
	var t term
	for _, v := range values {
		t = append(t, field+"="+v)
	}
	return t
}

// An exclusion is a FIELD=value that an entry must not have.
type exclusion struct{ name, value string }

func exclusions(o *options) []exclusion {
	var out []exclusion
	for _, m := range o.ExcludeMatches {
		name, value, _ := strings.Cut(m, "=")
		out = append(out, exclusion{name, value})
	}
	return out
}

// excluded says whether any field of e is one of out.
func excluded(e *Entry, out []exclusion) bool {
	if e.shape != nil {
		return e.shape.excluded
	}
	for i := range out {
		for j := range e.Fields {
			if e.Fields[j].Name == out[i].name && e.Fields[j].Value == out[i].value {
				return true
			}
		}
	}
	return false
}
