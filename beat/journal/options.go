package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/option"
)

// options are what `type: journal` takes; names are journalbeat's and filebeat's, both understood.
type options struct {
	// Journal files, directories or globs to read; empty means this machine's own journal.
	Paths []string `config:"paths" alias:"journal_paths"`
	// What reads the files: `journal`, which is podbeat's own, or `sdjournal`, which is libsystemd and needs a podbeat built with cgo.
	Reader string `config:"reader" default:"journal"`
	// Where to start: `cursor` (after what was delivered last), or a section with `since: -24h` (also a date
	// such as 2024-05-17T12:00:00Z) for a first start: later ones go on after what was delivered. `head` and
	// `tail` hold at every start, whatever was delivered before.
	Seek seek `config:"seek" alias:"seek_position" default:"cursor"`
	// Where to start with `seek: cursor` when there is no saved position, or when it names
	// entries that are gone and nothing near them is left: `head`, `tail` or `none` (an error).
	CursorSeekFallback string `config:"cursor_seek_fallback" default:"head"`
	// systemd units to read; a name without a suffix means `.service`. What systemd says about a unit is read with it.
	Units []string `config:"units"`
	// Read the kernel's messages: only them if nothing else is named, else beside the units.
	Kernel bool `config:"kernel"`
	// Values of SYSLOG_IDENTIFIER to read.
	Identifiers []string `config:"identifiers" alias:"syslog_identifiers"`
	// Values of _TRANSPORT to read: audit, driver, syslog, journal, stdout, kernel.
	Transports []string `config:"transports"`
	// Read only entries with these FIELD=value matches: different fields must all match, values of one
	// field are alternatives, and `+` between two of them starts a further alternative group.
	IncludeMatches []string `config:"include_matches" alias:"match_patterns"`
	// Leave out entries with any of these FIELD=value matches.
	ExcludeMatches []string `config:"exclude_matches"`
	// Which boots to read: `all`, or `current`.
	Boot string `config:"boot" default:"all"`
	// The journal namespace to read; `*` means all of them.
	Namespace string `config:"namespace"`
	// Write field names in lower case and without leading underscores (`_HOSTNAME` → `hostname`)
	// where a name is not mapped to ECS; otherwise as the journal has them.
	CleanFieldNames bool `config:"clean_field_names" default:"true"`
	// Write journal fields that are whole or decimal numbers as numbers: never the message, ids
	// or names, and never NaN or infinities.
	ConvertToNumbers bool `config:"convert_to_numbers"`
	// Put the journal's fields under this name, as journalbeat did: `journal` gives `journal.container_name`.
	// Implies `schema: legacy` unless a schema is given.
	MoveMetadataToField string `config:"move_metadata_to_field"`
	// Write `log.level` from PRIORITY (emerg … debug).
	ParsePriority bool `config:"parse_priority" default:"true"`
	// Write the syslog facility's name beside its number.
	ParseSyslogFacility bool `config:"parse_syslog_facility"`
	// The fields' names: `ecs` (Elastic Common Schema, as filebeat), `legacy` (journalbeat's) or `both`.
	Schema string `config:"schema"`
	// Write the name of the host whose journal it is (_HOSTNAME) as `log.source.address`, for journals collected from other machines.
	SaveRemoteHostname bool `config:"save_remote_hostname"`
	// Longest message and longest field kept; the rest is cut and the event flagged.
	MaxMessageBytes option.Bytes `config:"max_message_bytes" default:"1MiB"`
	// Joining of messages that were split on their way into the journal.
	Join joinOptions `config:"join"`
	// How much may be read and not yet acknowledged. Beyond it reading waits.
	MaxInFlight inFlightOptions `config:"max_in_flight"`
	// How messages with bytes that are no UTF-8 are written: `replace` puts U+FFFD for them, `base64`
	// keeps every byte, encoded. Either way `log.flags` has `binary`.
	Binary string `config:"binary" default:"replace"`
	// How often paths and globs are looked through for new files, at the least. The ends of open files are
	// looked at every 100 ms, which works on network file systems too.
	PollInterval time.Duration `config:"poll_interval" alias:"backoff" default:"1s"`
	// journalbeat's file with the saved position: read once, when podbeat has none of its own. Of Elastic's
	// journalbeat it is the registry, with the journal's path behind it where there are several: `registry#/var/log/journal`.
	CursorStateFile string `config:"cursor_state_file"`
	// journalbeat's file with undelivered events (`pending_queue.file`): they are sent once, then the file is renamed to `….done`.
	PendingQueueFile string `config:"pending_queue_file"`
}

// joinOptions bound what is kept of messages whose last part is not there yet.
type joinOptions struct {
	// Join the parts of a message that docker, podman or journald has split.
	Enabled bool `config:"enabled" default:"true"`
	// Longest joined message; what is longer is sent in pieces, and flagged.
	MaxBytes option.Bytes `config:"max_bytes" default:"1MiB"`
	// Longest time from a message's first part to its last, by the journal's clock, and by the wall's when nothing newer comes; then what is there is sent, and flagged.
	MaxAge time.Duration `config:"max_age" default:"5s"`
	// Most messages that wait at once; beyond it the oldest is sent as it is, and flagged.
	MaxOpen int `config:"max_open" default:"1000"`
}

type inFlightOptions struct {
	// Most bytes of entries; a larger one goes alone. The default is some 32,000 ordinary entries; of the largest that journald takes, 64 MiB, podbeat
	// needs about ten times as much in all. Messages that wait for their next part have up to 64 MiB of their own. With another
	// delivery level than `end-to-end` it is the input's `queue.bytes` that bounds.
	Bytes option.Bytes `config:"bytes" default:"64MiB"`
}

// seek says where reading starts.
type seek struct {
	Mode  string    // cursor, head, tail or since
	Since time.Time // for mode since
}

// Unpack reads `cursor`, `{since: -24h}` or `{since: 2024-05-17T12:00:00Z}`.
func (s *seek) Unpack(v any) error {
	if m, ok := v.(map[string]any); ok {
		since, ok := m["since"].(string)
		if !ok || len(m) != 1 {
			return fmt.Errorf("cannot read seek from %v: want cursor, head, tail or {since: -24h}", v)
		}
		return s.parseSince(since)
	}
	text := fmt.Sprint(v)
	if since, ok := strings.CutPrefix(text, "since"); ok {
		return s.parseSince(strings.TrimLeft(since, ": "))
	}
	if !slices.Contains([]string{"cursor", "head", "tail"}, text) {
		return fmt.Errorf("cannot read seek from %q: want cursor, head, tail or {since: -24h}", text)
	}
	s.Mode = text
	return nil
}

func (s *seek) parseSince(text string) error {
	s.Mode = "since"
	if d, err := time.ParseDuration(text); err == nil {
		if d > 0 {
			d = -d
		}
		s.Since = time.Now().Add(d)
		return nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			s.Since = t
			return nil
		}
	}
	return fmt.Errorf("cannot read seek.since from %q: want a duration such as -24h or a time such as 2024-05-17T12:00:00Z", text)
}

// Validate says which option has a value that means nothing.
func (o *options) Validate() error {
	if o.Schema == "" {
		o.Schema = "ecs"
		if o.MoveMetadataToField != "" {
			o.Schema = "legacy"
		}
	}
	if strings.Contains(o.MoveMetadataToField, "..") || strings.HasSuffix(o.MoveMetadataToField, ".") {
		return fmt.Errorf("cannot use move_metadata_to_field %q: it has an empty part", o.MoveMetadataToField)
	}
	if first, _, _ := strings.Cut(o.MoveMetadataToField, "."); slices.Contains(rootNames, first) {
		return fmt.Errorf("cannot use move_metadata_to_field %q: %q is used otherwise, want a name such as journal", o.MoveMetadataToField, first)
	}
	for i, m := range o.IncludeMatches {
		last := i == len(o.IncludeMatches)-1
		if m == "+" && (i == 0 || last || o.IncludeMatches[i+1] == "+") {
			return errors.New("cannot use `+` in include_matches without a match before and behind it")
		}
	}
	if slices.Contains(o.ExcludeMatches, "+") {
		return errors.New("cannot use `+` in exclude_matches: every line of it excludes by itself")
	}
	for _, m := range slices.Concat(o.IncludeMatches, o.ExcludeMatches) {
		if m == "+" {
			continue
		}
		if err := (filter{{{m}}}).Check(); err != nil {
			return err
		}
	}
	for name, list := range map[string][]string{"paths": o.Paths, "units": o.Units, "identifiers": o.Identifiers, "transports": o.Transports} {
		if slices.Contains(list, "") {
			return fmt.Errorf("cannot use %s with an empty element", name)
		}
	}
	for _, path := range o.Paths {
		if _, err := filepath.Match(path, ""); err != nil {
			return fmt.Errorf("cannot use path %q: %w", path, err)
		}
	}
	if o.Namespace != "" && len(o.Paths) > 0 {
		return errors.New("cannot use both paths and namespace: a namespace is one of this machine's own journals")
	}
	if strings.ContainsAny(o.Namespace, "/ ") {
		return fmt.Errorf("cannot use namespace %q: want a name as in journalctl --namespace", o.Namespace)
	}
	if o.Reader == "sdjournal" && !sdjournalBuilt {
		return errors.New("cannot use reader sdjournal: this podbeat was built without cgo, which libsystemd needs; want journal, or a podbeat built with CGO_ENABLED=1")
	}
	return errors.Join(
		oneOf("reader", o.Reader, "journal", "sdjournal"),
		oneOf("schema", o.Schema, "ecs", "legacy", "both"),
		oneOf("boot", o.Boot, "all", "current"),
		oneOf("binary", o.Binary, "replace", "base64"),
		oneOf("cursor_seek_fallback", o.CursorSeekFallback, "head", "tail", "none"),
		positive("max_message_bytes", o.MaxMessageBytes),
		positive("max_in_flight.bytes", o.MaxInFlight.Bytes),
		positive("join.max_bytes", o.Join.MaxBytes),
		positive("join.max_open", o.Join.MaxOpen),
		positive("join.max_age", o.Join.MaxAge),
		positive("poll_interval", o.PollInterval),
	)
}

func oneOf(option, got string, want ...string) error {
	if slices.Contains(want, got) {
		return nil
	}
	return fmt.Errorf("cannot use %s %q: want one of %s", option, got, strings.Join(want, ", "))
}

func positive[T ~int | ~int64](option string, got T) error {
	if got > 0 {
		return nil
	}
	return fmt.Errorf("cannot use %s %v: want more than 0", option, got)
}
