// Package journalbeat takes over from journalbeat, both mheese's and Elastic's: it reads the state
// they leave (ReadCursor, ReadPending), puts it aside once it is delivered (Retire), and turns
// their configuration into podbeat's (Migrate, NewMigrateCommand).
//
// What journalbeat wrote is read and renamed, never changed.
package journalbeat

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// cursorForm is how sd_journal_get_cursor prints a cursor, and the only form journalbeat saves.
const cursorForm = `s=([0-9a-f]{32});i=([0-9a-f]{1,16});b=[0-9a-f]{32};m=[0-9a-f]{1,16};t=([0-9a-f]{1,16});x=[0-9a-f]{1,16}`

var cursorPattern = regexp.MustCompile(`^` + cursorForm + `$`)

// parseCursor returns what a cursor says about its entry. Realtime is in microseconds since 1970 UTC.
func parseCursor(text string) (seqnumID string, seqnum, realtime uint64, ok bool) {
	m := cursorPattern.FindStringSubmatch(text)
	if m == nil {
		return "", 0, 0, false
	}
	seqnum, _ = strconv.ParseUint(m[2], 16, 64) // at most 16 digits: cannot fail
	realtime, _ = strconv.ParseUint(m[3], 16, 64)
	return m[1], seqnum, realtime, seqnum > 0 // a chain's first is 1
}

// maxState is the largest cursor_state_file or registry that is read.
const maxState = 1 << 20

// ReadCursor reads the cursor that journalbeat has saved: mheese's cursor_state_file, which is the
// cursor's text alone, or the registry of Elastic's, which has one for each journal it read. The
// one of a registry with several is chosen by "<path>#<journal>", where journal is what the
// registry calls its path ("LOCAL_SYSTEM_JOURNAL" for the local one).
//
// When there is no cursor, because the file or the journal in it does not exist, the error wraps
// fs.ErrNotExist. An empty file is an error of its own: journalbeat renames it into place without
// syncing it, so a power failure leaves it like that.
func ReadCursor(path string) (cursor string, err error) {
	data, err := readFile(path, maxState)
	journal := ""
	if file, name, ok := strings.Cut(path, "#"); ok && errors.Is(err, fs.ErrNotExist) {
		path, journal = file, name
		data, err = readFile(path, maxState)
	}
	if err != nil {
		return "", fmt.Errorf("cannot read cursor state %q: %w", path, err)
	}
	if cursor, err = parseState(data, journal); err != nil {
		return "", fmt.Errorf("cannot read cursor state %q: %w", path, err)
	}
	return cursor, nil
}

func parseState(data []byte, journal string) (cursor string, err error) {
	text := strings.TrimRight(string(data), " \t\r\n")
	switch _, _, _, ok := parseCursor(text); {
	case text == "":
		return "", errors.New("the file is empty")
	case ok && journal == "":
		return text, nil
	case strings.Contains(text, "journal_entries:"):
		return registryCursor(data, journal)
	}
	return "", fmt.Errorf("%s is no journal cursor (s=…;i=…;b=…;m=…;t=…;x=…)", quote(text))
}

// registryCursor chooses a journal's cursor from the registry of Elastic's journalbeat (its
// checkpoint.PersistedState).
func registryCursor(data []byte, journal string) (string, error) {
	var registry struct {
		Entries []struct {
			Path   string `yaml:"path"`
			Cursor string `yaml:"cursor"`
		} `yaml:"journal_entries"`
	}
	if err := yaml.Unmarshal(data, &registry); err != nil {
		return "", err
	}
	var names []string
	cursor, found := "", 0
	for _, e := range registry.Entries {
		names = append(names, quote(e.Path))
		if journal == "" || filepath.Clean(e.Path) == filepath.Clean(journal) {
			cursor = e.Cursor
			found++
		}
	}
	all := strings.Join(names[:min(len(names), 20)], ", ")
	_, _, _, ok := parseCursor(cursor)
	switch {
	case found == 0 && journal == "":
		return "", fmt.Errorf("it has no journal_entries: %w", fs.ErrNotExist)
	case found == 0:
		return "", fmt.Errorf("it has nothing of %s, only of %s: %w", quote(journal), all, fs.ErrNotExist)
	case found > 1 && journal == "":
		return "", fmt.Errorf("it has the cursors of several journals, choose one with #<journal> behind the name: %s", all)
	case found > 1:
		return "", fmt.Errorf("it has %d cursors of %s", found, quote(journal))
	case !ok:
		return "", fmt.Errorf("%s is no journal cursor (s=…;i=…;b=…;m=…;t=…;x=…)", quote(cursor))
	}
	return cursor, nil
}

// readFile reads a regular file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path) // before opening, which would wait for a pipe's writer
	if err != nil {
		return nil, cause(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	if err != nil {
		return nil, cause(err)
	}
	return data, nil
}

// cause is err without the path, which the caller names.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// quote makes hostile text fit for a log line.
func quote(text string) string {
	const most = 200
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}
