package config

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/podbeat/podbeat/tui/scope"
)

// Bounds of the history: it is cut to half of maxHistory lines when it has more. A longer query is not kept.
const (
	maxHistory = 2000
	maxQuery   = 8 << 10
)

// A State is what logtui notes by itself: queries that were typed, and what was looked at last. It is in $XDG_STATE_HOME/logtui
// (~/.local/state/logtui), for its owner alone. Without it nothing fails: it is for comfort.
type State struct{ dir string }

// OpenState returns the user's state. It reads nothing yet.
func OpenState() *State {
	dir, err := userDir("XDG_STATE_HOME", filepath.Join(".local", "state"))
	if err != nil {
		return &State{}
	}
	return &State{filepath.Join(dir, "logtui")}
}

// History are the queries typed, the newest last, each once.
func (s *State) History() []string {
	var all []string
	for line := range bytes.Lines(s.read("history")) {
		var query string
		if json.Unmarshal(line, &query) == nil && query != "" {
			all = append(all, query)
		}
	}
	seen, out := map[string]bool{}, all[len(all):]
	for i := len(all) - 1; i >= 0; i-- {
		if !seen[all[i]] {
			seen[all[i]] = true
			out = append(out, all[i])
		}
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// Typed notes a query. Several programs may do so at once.
func (s *State) Typed(query string) error {
	if strings.TrimSpace(query) == "" || len(query) > maxQuery || s.dir == "" {
		return nil
	}
	line, err := json.Marshal(query)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("cannot note the query: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(s.dir, "history"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("cannot note the query: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("cannot note the query: %w", err)
	}
	return s.trim()
}

func (s *State) trim() error {
	data := s.read("history")
	if bytes.Count(data, []byte{'\n'}) <= maxHistory {
		return nil
	}
	var lines [][]byte
	for r := bufio.NewScanner(bytes.NewReader(data)); r.Scan(); {
		lines = append(lines, r.Bytes())
	}
	lines = lines[len(lines)-maxHistory/2:]
	return write(filepath.Join(s.dir, "history"), append(bytes.Join(lines, []byte{'\n'}), '\n'))
}

// Last is what was looked at last in a context; ok is false if that is not known.
func (s *State) Last(context string) (sc scope.Scope, ok bool) {
	data := s.read(lastFile(context))
	return sc, len(data) > 0 && json.Unmarshal(data, &sc) == nil
}

// Looked notes what is looked at in a context.
func (s *State) Looked(context string, sc scope.Scope) error {
	if s.dir == "" {
		return nil
	}
	data, err := json.Marshal(sc)
	if err == nil {
		err = write(filepath.Join(s.dir, lastFile(context)), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("cannot note what was looked at: %w", err)
	}
	return nil
}

func lastFile(context string) string { return filepath.Join("last", url.PathEscape(context)+".json") }

// read returns a file, nothing if it is not there or is not the state's: much too large.
func (s *State) read(name string) []byte {
	path := filepath.Join(s.dir, name)
	info, err := os.Stat(path)
	if s.dir == "" || err != nil || !info.Mode().IsRegular() || info.Size() > 2*maxHistory*maxQuery {
		return nil
	}
	data, _ := os.ReadFile(path)
	return data
}
