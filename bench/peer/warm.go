package peer

import (
	"io"
	"os"
)

// Warm reads files once, so that the first program finds them in memory as the others do.
func Warm(paths ...string) error {
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
