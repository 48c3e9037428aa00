package logapi

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/token"
)

func TestKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	command := func() *cobra.Command {
		return newKeysCommand(func() (string, token.Rotation, time.Duration, error) {
			return path, token.Rotation{Delay: time.Minute, Keep: 24 * time.Hour}, 7 * 24 * time.Hour, nil
		})
	}
	f := func(want string, args ...string) string {
		t.Helper()
		out, said, err := try(command(), "", args...)
		if err != nil || !strings.Contains(out+said, want) {
			t.Errorf("%q: printed %q and %q, error %v; want %q", args, out, said, err, want)
		}
		var file struct{ Keys []struct{ K string } }
		text, _ := os.ReadFile(path)
		if err := json.Unmarshal(text, &file); err != nil || len(file.Keys) == 0 {
			t.Errorf("%q: the file cannot be read: %v", args, err)
		}
		for _, key := range file.Keys {
			if strings.Contains(out+said, key.K) {
				t.Errorf("%q: a secret is printed: %s", args, out)
			}
		}
		return out
	}
	bad := func(want string, code int, args ...string) {
		t.Helper()
		before, _ := os.ReadFile(path)
		_, _, err := try(command(), "", args...)
		if err == nil || !strings.Contains(err.Error(), want) || errors.As(err, new(cli.UsageError)) != (code == 2) {
			t.Errorf("%q: got error %v, want %q and exit code %d", args, err, want, code)
		}
		if after, _ := os.ReadFile(path); string(before) != string(after) {
			t.Errorf("%q: the file was changed", args)
		}
	}
	// has counts the keys by what they do.
	has := func(want string) {
		t.Helper()
		var keys []struct{ ID, State, Made, From, Until string }
		if err := json.Unmarshal([]byte(f("", "list", "-o", "json")), &keys); err != nil {
			t.Fatal(err)
		}
		var states []string
		for _, k := range keys {
			states = append(states, k.State)
		}
		if got := strings.Join(states, " "); got != want {
			t.Errorf("keys %q, want %q", got, want)
		}
	}
	bad("`logapi keys rotate` makes it", 1, "list")
	f(" signs\n", "rotate") // the first has nobody to wait for
	has("signs")
	f("signs from ", "rotate")
	has("waits signs")
	f(" verifies\n", "rotate", "--delay", "0")
	has("waits signs verifies")
	f("note: tokens that hold longer than 30m0s end with the key that signed them", "rotate", "--delay", "0s", "--keep", "30m")
	f("logapi makes the next key when the youngest is 7d old", "list")
	bad("without --delay and --keep", 2, "rotate", "--leaked", "--keep", "1h")
	bad("want a duration such as 90m, 24h or 30d", 2, "rotate", "--keep", "month")
	bad("want a duration", 2, "rotate", "--delay", "-1h")
	bad("want no arguments", 2, "rotate", "keys.json")
	f(" signs\n", "rotate", "--leaked")
	has("signs")
	if err := os.WriteFile(path, []byte(`{"keys": [{"kty": "oct", "k": "short"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	bad("cannot read keys", 1, "list")
	bad("cannot rotate keys", 1, "rotate", "--leaked")
}
