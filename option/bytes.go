package option

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes, written as a number or with a unit: 1048576, 64KiB, 1MiB, 500kB.
// Units count in 1024 with an i and in 1000 without; a bare k, m, g counts in 1024 as systemd's do.
type Bytes int64

var units = []struct {
	suffix string
	factor float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"t", 1 << 40}, {"b", 1},
}

// Unpack reads a size as a configuration has it. It is go-ucfg's hook.
func (b *Bytes) Unpack(v any) error {
	switch v := v.(type) {
	case int64:
		return b.set(float64(v), fmt.Sprint(v))
	case uint64:
		return b.set(float64(v), fmt.Sprint(v))
	case float64:
		return b.set(v, fmt.Sprint(v))
	case string:
		return b.parse(v)
	}
	return fmt.Errorf("cannot read size from %v: want a number of bytes, or one with a unit such as 64KiB", v)
}

func (b *Bytes) parse(s string) error {
	number, factor := strings.ToLower(strings.TrimSpace(s)), 1.0
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return fmt.Errorf("cannot read size from %q: want a number of bytes, or one with a unit such as 64KiB", s)
	}
	return b.set(n*factor, s)
}

func (b *Bytes) set(n float64, s string) error {
	if math.IsNaN(n) || n < 0 || n >= math.MaxInt64 {
		return fmt.Errorf("cannot read size from %q: out of range", s)
	}
	*b = Bytes(n)
	return nil
}

func (b Bytes) String() string {
	for _, u := range []string{"TiB", "GiB", "MiB", "KiB"} {
		var f Bytes
		_ = f.parse("1" + u)
		if b >= f && b%f == 0 {
			return strconv.FormatInt(int64(b/f), 10) + u
		}
	}
	return strconv.FormatInt(int64(b), 10)
}
