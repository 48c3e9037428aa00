package take

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// Temp writes a file for a program to look at, readable for its owner alone, with an ending as .json for programs that look at
// it. The caller calls remove when the program has ended.
func Temp(ending string, data []byte) (path string, remove func(), err error) {
	f, err := os.CreateTemp("", "logtui-*"+ending)
	if err != nil {
		return "", nil, fmt.Errorf("cannot make a file for another program: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", nil, fmt.Errorf("cannot make a file for another program: %w", err)
	}
	return f.Name(), func() { os.Remove(f.Name()) }, nil
}

// Editor is the command that edits a file: $VISUAL, else $EDITOR, else vi. They may have arguments, as git takes them.
func Editor(path string) *exec.Cmd {
	return on(cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"), map[bool]string{true: "notepad", false: "vi"}[windows]), path)
}

// Pager is the command that shows a file: $PAGER, else less. It is given what is in the file: some of them hand on what a
// terminal obeys, so what is no JSON goes through text.Clean before.
func Pager(path string) *exec.Cmd {
	return on(cmp.Or(os.Getenv("PAGER"), map[bool]string{true: "more", false: "less"}[windows]), path)
}

const windows = runtime.GOOS == "windows"

// on is a command, as a user has it in the environment, on a file.
func on(command, path string) *exec.Cmd {
	if !windows {
		return exec.Command("sh", "-c", command+` "$@"`, command, path)
	}
	words := append(strings.Fields(command), path)
	return exec.Command(words[0], words[1:]...)
}

// Pipe is a shell's command that reads input. On the terminal it waits for Enter when it has ended, so that what it printed can be
// read; its exit code is the command's. It dies when ctx ends.
func Pipe(ctx context.Context, command string, input []byte) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", pipe, "sh", command)
	if windows {
		cmd = exec.CommandContext(ctx, "cmd", "/C", command+" & pause <con")
	}
	cmd.Stdin = strings.NewReader(string(input))
	return cmd
}

// pipe runs its argument, which may be no command at all, in a shell of its own.
const pipe = `sh -c "$1"; code=$?
if [ -t 1 ]; then printf '\n[%s] Enter: back to logtui ' "$code"; read -r _ </dev/tty; fi
exit "$code"`
