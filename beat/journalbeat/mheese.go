package journalbeat

import (
	"fmt"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/podbeat/podbeat/option"
)

// mheeseOptions are the names that mheese's journalbeat knows (its config.Config).
type mheeseOptions struct {
	SeekPosition       any `config:"seek_position"`
	CursorSeekFallback any `config:"cursor_seek_fallback"`
	WriteCursorState   any `config:"write_cursor_state"`
	CursorStateFile    any `config:"cursor_state_file"`
	CursorFlushPeriod  any `config:"cursor_flush_period"`
	PendingQueue       struct {
		File               any `config:"file"`
		FlushPeriod        any `config:"flush_period"`
		CompletedQueueSize any `config:"completed_queue_size"`
	} `config:"pending_queue"`
	CleanFieldNames     any `config:"clean_field_names"`
	ConvertToNumbers    any `config:"convert_to_numbers"`
	MoveMetadataToField any `config:"move_metadata_to_field"`
	DefaultType         any `config:"default_type"`
	Units               any `config:"units"`
	Kernel              any `config:"kernel"`
	Identifiers         any `config:"identifiers"`
	JournalPaths        any `config:"journal_paths"`
	MatchPatterns       any `config:"match_patterns"`
	ParsePriority       any `config:"parse_priority"`
	ParseSyslogFacility any `config:"parse_syslog_facility"`
}

// renamed are mheese's options that podbeat has, by podbeat's names.
var renamed = map[string]string{
	"seek_position":          "seek",
	"cursor_seek_fallback":   "cursor_seek_fallback",
	"cursor_state_file":      "cursor_state_file",
	"pending_queue.file":     "pending_queue_file",
	"clean_field_names":      "clean_field_names",
	"convert_to_numbers":     "convert_to_numbers",
	"move_metadata_to_field": "move_metadata_to_field",
	"journal_paths":          "paths",
	"parse_priority":         "parse_priority",
	"parse_syslog_facility":  "parse_syslog_facility",
}

// meaningless are mheese's options that podbeat has no use for, with the reason.
var meaningless = map[string]string{
	"write_cursor_state":                 "podbeat always saves its position",
	"cursor_flush_period":                "podbeat stores its position as soon as events are acknowledged",
	"pending_queue.flush_period":         "podbeat needs no pending queue: its position never passes an event that was not acknowledged",
	"pending_queue.completed_queue_size": "podbeat needs no pending queue",
}

// known refuses options that to, a struct with journalbeat's, does not have.
func known(settings []setting, what string, to any) error {
	names := map[string]any{}
	for _, s := range settings {
		names[s.name] = true
	}
	return option.Unpack(option.From(names), to, what)
}

// mheeseInput makes the one input of mheese's journalbeat.
func (m *migration) mheeseInput(settings []setting) ([]*yaml.Node, error) {
	if err := known(settings, "journalbeat", &mheeseOptions{}); err != nil {
		return nil, err
	}
	seek, fallback := find(settings, "seek_position"), find(settings, "cursor_seek_fallback")
	err := oneOf("seek_position", seek, "cursor", "head", "tail")
	if err == nil {
		err = oneOf("cursor_seek_fallback", fallback, "head", "tail", "none")
	}
	if err != nil {
		return nil, err
	}
	resumes := is(seek, "cursor") || isVariable(seek) // with any other seek_position the saved cursor is not looked at

	matches, err := m.matches(settings)
	if err != nil {
		return nil, err
	}
	in := newInput("journal")
	for _, s := range settings {
		switch reason := meaningless[s.name]; {
		case reason != "":
			in.skip(s, reason)
			m.note("left out %s: %s", s.name, reason)
		case !resumes && strings.HasPrefix(s.name, "cursor_"):
			in.skip(s, "it counts with seek: cursor only")
		case s.name == "units", s.name == "identifiers", s.name == "match_patterns":
			in.skip(s, "")
			for _, match := range matches { // all of them where the first one stood
				match.key = &yaml.Node{}
				in.move(match.name, match)
			}
			matches = nil
		case s.name == "kernel":
			in.skip(s, "")
		case s.name == "default_type":
			in.skip(s, "")
			in.fieldType(s.value)
		default:
			in.move(renamed[s.name], s)
		}
	}
	m.mheeseDefaults(in, settings, resumes)
	m.mheeseNotes(settings, resumes)
	return []*yaml.Node{in.done()}, nil
}

// fieldType gives each event the field type, which with schema: legacy is journal by itself.
func (in *input) fieldType(value *yaml.Node) {
	if value.Value == "journal" {
		return
	}
	in.move("fields", setting{key: &yaml.Node{}, value: &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{str("type"), value}}})
	in.set("fields_under_root", boolean(true))
}

// mheeseDefaults says what journalbeat did unsaid and podbeat would do otherwise.
func (m *migration) mheeseDefaults(in *input, settings []setting, resumes bool) {
	defaults := []struct {
		theirs, ours string
		value        *yaml.Node
	}{
		{"seek_position", "seek", str("tail")},
		{"cursor_seek_fallback", "cursor_seek_fallback", str("tail")},
		{"cursor_state_file", "cursor_state_file", str(".journalbeat-cursor-state")},
		{"pending_queue.file", "pending_queue_file", str(".journalbeat-pending-queue")},
		{"clean_field_names", "clean_field_names", boolean(false)},
		{"parse_priority", "parse_priority", boolean(false)},
	}
	for _, d := range defaults {
		if !has(settings, d.theirs) && (resumes || !strings.HasPrefix(d.theirs, "cursor_")) {
			in.set(d.ours, d.value)
		}
	}
	in.set("schema", str("legacy"))
}

// mheeseNotes says what becomes different.
func (m *migration) mheeseNotes(settings []setting, resumes bool) {
	seek, fallback := find(settings, "seek_position"), find(settings, "cursor_seek_fallback")
	switch {
	case !resumes && !is(seek, "head"):
		m.warn("seek: tail, which is also journalbeat's default, skips at every start what was logged while podbeat was down: seek: cursor skips nothing")
	case !resumes:
		m.warn("seek: head reads the whole journal again at every start, and only Elasticsearch knows by the ids what it has: seek: cursor goes on where podbeat was")
	case is(fallback, "none"):
		m.warn("cursor_seek_fallback: none ends the input with an error when there is no saved position; journalbeat went on at the oldest entry, as head does")
	case !is(fallback, "head"):
		m.warn("cursor_seek_fallback: tail, which is also journalbeat's default, skips what was logged before the first start, and after a reboot " +
			"with a volatile journal what was logged before podbeat starts: head skips nothing")
	}
	if write := find(settings, "write_cursor_state"); resumes && !isTrue(write) {
		m.warn("journalbeat did not save its position (write_cursor_state: true is not there), so each of its starts began at the same place; podbeat always saves it, and goes on there")
	}
	state, queue := find(settings, "cursor_state_file"), find(settings, "pending_queue.file")
	if state == nil {
		state = str(".journalbeat-cursor-state")
	}
	if queue == nil {
		queue = str(".journalbeat-pending-queue")
	}
	files := []string{queue.Value}
	if resumes {
		files = append(files, state.Value)
	}
	for _, f := range files {
		if !filepath.IsAbs(f) && !strings.HasPrefix(f, "${") {
			m.warn("%s was relative to the folder that journalbeat was started in (/ under its systemd unit): write its full path", quote(f))
		}
	}
	m.note("podbeat takes over journalbeat's position and undelivered events at its first start: stop journalbeat before")
	if isTrue(find(settings, "convert_to_numbers")) {
		m.note("convert_to_numbers: podbeat leaves message, ids and names as text, also where they are all digits")
	}
	for _, name := range []string{"units", "match_patterns", "identifiers"} {
		if isVariable(find(settings, name)) {
			m.warn("%s is %s: several matches in the variable must all match in podbeat, put + between them to have each suffice", name, quote(find(settings, name).Value))
		}
	}
}

// matches turns units, identifiers and match_patterns, of which journalbeat took entries that
// match any, into podbeat's options, of which each has to match.
func (m *migration) matches(settings []setting) ([]setting, error) {
	lists := map[string][]string{}
	kinds := 0
	for _, name := range []string{"units", "identifiers", "match_patterns"} {
		var err error
		if lists[name], err = list(name, find(settings, name)); err != nil {
			return nil, err
		}
		if len(lists[name]) > 0 {
			kinds++
		}
	}
	kernel := find(settings, "kernel")
	withKernel := len(lists["units"]) > 0 && (kernel == nil || isTrue(kernel))
	if isVariable(kernel) && len(lists["units"]) > 0 {
		m.warn("kernel: podbeat reads the kernel's messages beside those of the units; journalbeat did so if %s was true", quote(kernel.Value))
		withKernel = true
	}
	if kernel != nil && len(lists["units"]) == 0 {
		m.note("left out kernel: without units journalbeat took everything that the other matches let through")
	}
	if kinds > 1 {
		return m.anyMatch(lists, withKernel)
	}
	var out []setting
	if units := lists["units"]; len(units) > 0 {
		for _, u := range units {
			if strings.ContainsAny(u, "*?[") {
				m.warn("units has the pattern %s, which journalbeat looked up in the journal when it started: podbeat wants the units' names", quote(u))
			}
		}
		out = append(out, setting{name: "units", value: listNode(units)})
		if withKernel {
			out = append(out, setting{name: "kernel", value: boolean(true)})
		}
	}
	if ids := lists["identifiers"]; len(ids) > 0 {
		out = append(out, setting{name: "identifiers", value: listNode(ids)})
	}
	if patterns := lists["match_patterns"]; len(patterns) > 0 {
		out = append(out, setting{name: "include_matches", value: listNode(alternatives(patterns))})
	}
	return out, nil
}

// anyMatch says with include_matches alone what journalbeat said with several options. What is
// said of a unit is what journalctl --unit reads.
func (m *migration) anyMatch(lists map[string][]string, kernel bool) ([]setting, error) {
	var groups [][]string
	for _, u := range lists["units"] {
		if strings.ContainsAny(u, "*?[") {
			return nil, fmt.Errorf("units has the pattern %s beside other matches: write the units' names out", quote(u))
		}
		if !strings.Contains(u, ".") {
			u += ".service"
		}
		groups = append(groups,
			[]string{"_SYSTEMD_UNIT=" + u},
			[]string{"MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1", "_UID=0", "COREDUMP_UNIT=" + u},
			[]string{"_PID=1", "UNIT=" + u},
			[]string{"_UID=0", "OBJECT_SYSTEMD_UNIT=" + u})
		if strings.HasSuffix(u, ".slice") {
			groups = append(groups, []string{"_SYSTEMD_SLICE=" + u})
		}
	}
	for _, p := range lists["match_patterns"] {
		groups = append(groups, []string{p})
	}
	if kernel {
		groups = append(groups, []string{"_TRANSPORT=kernel"})
	}
	for _, id := range lists["identifiers"] {
		groups = append(groups, []string{"SYSLOG_IDENTIFIER=" + id})
	}
	var matches []string
	for i, g := range groups {
		if i > 0 {
			matches = append(matches, "+")
		}
		matches = append(matches, g...)
	}
	m.note("include_matches says what units, identifiers and match_patterns said together: one of them has to match")
	return []setting{{name: "include_matches", value: listNode(matches)}}, nil
}

// alternatives are matches of which one suffices. Those of one field alone mean that anyhow.
func alternatives(matches []string) []string {
	one := true
	for _, x := range matches {
		a, _, _ := strings.Cut(x, "=")
		b, _, _ := strings.Cut(matches[0], "=")
		one = one && a == b && !strings.Contains(x, "${")
	}
	if one {
		return matches
	}
	var out []string
	for i, x := range matches {
		if i > 0 {
			out = append(out, "+")
		}
		out = append(out, x)
	}
	return out
}
