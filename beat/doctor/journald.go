package doctor

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/journal"
)

// journaldConf is the section [Journal] of journald.conf with its drop-ins: the settings by name, and where each stands.
type journaldConf struct {
	values, from map[string]string
}

// conf reads the configuration of a namespace's journald, "" for the default one, as systemd does: the first main file, then the drop-ins
// by name, of which one in /etc hides those of its name elsewhere.
func (h host) conf(namespace string) journaldConf {
	name := "journald.conf"
	if namespace != "" {
		name = "journald@" + namespace + ".conf"
	}
	dirs := []string{"/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd", "/lib/systemd"}
	c := journaldConf{map[string]string{}, map[string]string{}}
	for _, dir := range dirs {
		if text, err := h.read(path.Join(dir, name)); err == nil {
			c.add(string(text), path.Join(dir, name))
			break
		}
	}
	dropIns := map[string]string{}
	for _, dir := range dirs {
		entries, _ := h.list(path.Join(dir, name+".d"))
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".conf") && dropIns[e.Name()] == "" {
				dropIns[e.Name()] = path.Join(dir, name+".d", e.Name())
			}
		}
	}
	names := []string{}
	for name := range dropIns {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if text, err := h.read(dropIns[name]); err == nil {
			c.add(string(text), dropIns[name])
		}
	}
	return c
}

func (c journaldConf) add(text, from string) {
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			inside = line == "[Journal]"
		}
		name, value, ok := strings.Cut(line, "=")
		if !inside || !ok || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		name = strings.TrimSpace(name)
		if name == "RateLimitInterval" { // its name before systemd 235
			name = "RateLimitIntervalSec"
		}
		c.values[name], c.from[name] = strings.TrimSpace(value), from
	}
}

// get returns a setting, or def if it is empty or not there.
func (c journaldConf) get(name, def string) string { return cmp.Or(c.values[name], def) }

// span reads a time of systemd: 30s, 5min 20s, 1h; a bare number is of seconds.
func span(text string) (time.Duration, error) {
	units := []struct {
		names string
		of    time.Duration
	}{
		{"us usec µs", time.Microsecond}, {"ms msec", time.Millisecond}, {"s sec second seconds", time.Second}, {"m min minute minutes", time.Minute},
		{"h hr hour hours", time.Hour}, {"d day days", 24 * time.Hour}, {"w week weeks", 7 * 24 * time.Hour},
		{"M month months", 30*24*time.Hour + 10*time.Hour + 29*time.Minute}, {"y year years", 365*24*time.Hour + 6*time.Hour},
	}
	total := 0.0
	rest := strings.TrimSpace(text)
	if rest == "" {
		return 0, fmt.Errorf("cannot read a time from %q", clip80(text))
	}
	for rest != "" {
		end := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if end < 0 {
			end = len(rest)
		}
		n, err := strconv.ParseFloat(rest[:end], 64)
		if err != nil {
			return 0, fmt.Errorf("cannot read a time from %q", clip80(text))
		}
		rest = strings.TrimSpace(rest[end:])
		end = strings.IndexFunc(rest, func(r rune) bool { return r >= '0' && r <= '9' || r == ' ' })
		if end < 0 {
			end = len(rest)
		}
		unit, known := cmp.Or(rest[:end], "s"), false
		for _, u := range units {
			if slices.Contains(strings.Fields(u.names), unit) {
				total, known = total+n*float64(u.of), true
			}
		}
		if !known || total > float64(1<<62) {
			return 0, fmt.Errorf("cannot read a time from %q", clip80(text))
		}
		rest = strings.TrimSpace(rest[end:])
	}
	return time.Duration(total), nil
}

// namespaces are those whose journals the inputs read.
func (s *subject) namespaces() (names []string) {
	for _, in := range s.of("journal") {
		if len(in.Paths) == 0 && !slices.Contains(names, in.Namespace) && in.Namespace != "*" {
			names = append(names, in.Namespace)
		}
	}
	return names
}

func checkJournaldLimits(_ context.Context, s *subject) []Finding {
	var f findings
	said := ""
	for _, namespace := range s.namespaces() {
		c := s.conf(namespace)
		every, err := span(c.get("RateLimitIntervalSec", "30s"))
		burst, err2 := strconv.ParseUint(c.get("RateLimitBurst", "10000"), 10, 32)
		if err != nil || err2 != nil {
			f.add(Warning, "mend it; journald takes its default for it", "journald.conf has RateLimitIntervalSec=%s and RateLimitBurst=%s, one of which cannot be read",
				clip80(c.get("RateLimitIntervalSec", "30s")), clip80(c.get("RateLimitBurst", "10000")))
			continue
		}
		where := few(slices.Compact(slices.Sorted(slices.Values([]string{cmp.Or(c.from["RateLimitIntervalSec"], "systemd's defaults"), cmp.Or(c.from["RateLimitBurst"], "systemd's defaults")}))))
		switch {
		case every == 0 || burst == 0:
			said = "journald drops nothing for its rate: " + where
		case s.docker().driver == "journald":
			f.add(Problem, "set RateLimitIntervalSec=0 in /etc/systemd/journald.conf.d/podbeat.conf and restart systemd-journald; or LogRateLimitIntervalSec=0 for docker.service alone (systemd 240 and later)",
				"journald drops what docker.service writes beyond %d messages in %v, and all containers of the node share that (%s)", burst, every, where)
		case float64(burst)/every.Seconds() < 33: // a tenth of what journald allows by itself
			f.add(Warning, "raise RateLimitBurst, or set RateLimitIntervalSec=0, in /etc/systemd/journald.conf.d/podbeat.conf and restart systemd-journald",
				"journald drops what a service writes beyond %d messages in %v (%s)", burst, every, where)
		default:
			said = fmt.Sprintf("a service may write %d messages in %v, then journald drops them, and says Suppressed (%s)", burst, every, where)
		}
	}
	if said == "" && len(f) == 0 {
		return nil
	}
	return f.or("%s", said)
}

// shortest is how much of the journal there should be at least: the output may be away for that long.
const shortest = time.Hour

func checkJournaldRetention(_ context.Context, s *subject) []Finding {
	var f findings
	names := s.namespaces()
	if len(names) == 0 {
		return nil
	}
	for _, namespace := range names {
		c := s.conf(namespace)
		if c.get("Storage", "auto") == "none" {
			f.add(Problem, "set Storage=persistent and restart systemd-journald", "journald keeps nothing: Storage=none in %s", c.from["Storage"])
		}
		if max, err := span(c.get("MaxRetentionSec", "0")); err == nil && max > 0 && max < shortest {
			f.add(Warning, "raise it: what is removed before podbeat has delivered it is lost", "journald removes entries after %v: MaxRetentionSec in %s", max, c.from["MaxRetentionSec"])
		}
	}
	oldest, newest, archived, size := time.Time{}, time.Time{}, 0, int64(0)
	for _, name := range s.journals().files {
		info, err := os.Stat(s.path(name))
		if err == nil {
			size += info.Size()
		}
		h, err := readHeader(s.path(name))
		if err != nil || h.oldest.IsZero() {
			continue
		}
		if oldest.IsZero() || h.oldest.Before(oldest) {
			oldest = h.oldest
		}
		if h.newest.After(newest) {
			newest = h.newest
		}
		if h.State == journal.StateArchived {
			archived++
		}
	}
	c := s.conf(names[0])
	limit := fmt.Sprintf("SystemMaxUse=%s, RuntimeMaxUse=%s, MaxRetentionSec=%s", c.get("SystemMaxUse", "(a tenth of the disk, 4G at most)"), c.get("RuntimeMaxUse", "(a tenth of /run, 4G at most)"), c.get("MaxRetentionSec", "(none)"))
	// Without archived files nothing has been removed yet for want of room.
	if kept := newest.Sub(oldest); archived > 0 && kept < shortest {
		f.add(Warning, "raise SystemMaxUse (RuntimeMaxUse where the journal is in /run) in /etc/systemd/journald.conf.d/podbeat.conf and restart systemd-journald",
			"the journal holds %v in %s: an outage of the output that is longer loses entries (%s)", kept.Round(time.Second), cli.Bytes(size), clip300(limit))
	}
	if oldest.IsZero() {
		return f.or("%s", clip300(limit))
	}
	return f.or("the journal holds %v in %s: %s", newest.Sub(oldest).Round(time.Second), cli.Bytes(size), clip300(limit))
}
