package take

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/podbeat/podbeat/cli"
)

// MaxTerminal is how many bytes a terminal is asked to put into its clipboard: with them the sequence, OSC 52, has the 100,000
// that terminals take at least, if they take it.
const MaxTerminal = 74_994

// A Copied says where a text is now.
type Copied struct {
	Bytes    int
	Register string // the file; "" if it could not be written
	Tmux     bool   // a tmux buffer, and through it the clipboard of the terminal around, if that takes it
	Terminal string // what the terminal this program runs in must still be sent, by OSC 52; "": nothing
	TooLong  bool   // for OSC 52: the text is in the register, and in tmux, alone
}

// String says it to people, in a few words.
func (c Copied) String() string {
	var where []string
	if c.Terminal != "" {
		where = append(where, "clipboard")
	}
	if c.Tmux {
		where = append(where, "tmux buffer")
	}
	if c.Register != "" {
		where = append(where, c.Register)
	}
	s := "copied " + cli.Bytes(int64(c.Bytes)) + " to " + strings.Join(where, ", ")
	if c.TooLong {
		s += fmt.Sprintf(" (not to the clipboard: terminals take %s at most)", cli.Bytes(MaxTerminal))
	}
	return s
}

// Copy copies a text to the register and, inside of tmux, to a buffer of tmux, and says what is to be sent to the terminal. An
// error is what could not be done of that; the rest is done nevertheless.
func Copy(ctx context.Context, text string) (Copied, error) {
	c := Copied{Bytes: len(text)}
	register, err := Register()
	if err == nil {
		err = write(register, text)
	}
	if err != nil {
		err = fmt.Errorf("cannot write the copy to a file: %w", err)
	} else {
		c.Register = register
	}
	sent := false
	if os.Getenv("TMUX") != "" {
		var failed error
		if sent, failed = loadBuffer(ctx, text); failed != nil {
			err = errors.Join(err, fmt.Errorf("cannot copy to tmux: %w", failed))
		} else {
			c.Tmux = true
		}
	}
	switch {
	case sent: // tmux has sent it to the terminal, of which it knows what it takes
	case len(text) > MaxTerminal:
		c.TooLong = true
	default:
		c.Terminal = text
	}
	return c, err
}

// Register is the file that holds what was copied last, logtui/copy in the user's cache directory.
func Register() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "logtui", "copy"), nil
}

// write replaces the file at once, so that who reads it never finds half a text.
func write(path, text string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, ".copy-*")
	if err != nil {
		return err
	}
	_, err = temp.WriteString(text)
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		os.Remove(temp.Name())
	}
	return err
}

// loadBuffer makes a tmux buffer of the text. With -w, which tmux has from 3.2 on, it sends it to the terminal too: what
// programs inside of it send there themselves it takes only with set-clipboard on, which is not its default.
func loadBuffer(ctx context.Context, text string) (sent bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := tmux(ctx, text, "load-buffer", "-w", "-"); err == nil {
		return true, nil
	}
	return false, tmux(ctx, text, "load-buffer", "-")
}

func tmux(ctx context.Context, input string, args ...string) error {
	cmd := exec.CommandContext(ctx, "tmux", args...)
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr, cmd.WaitDelay = strings.NewReader(input), &said, time.Second
	err := cmd.Run()
	if text := strings.TrimSpace(said.String()); err != nil && text != "" {
		return errors.New(cli.Printable(text))
	}
	return err
}
