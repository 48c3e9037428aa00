package top

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// metrics are those of one look, by name.
type metrics map[string][]metric

// A metric is one figure with its labels.
type metric struct {
	labels map[string]string
	value  float64
}

// parse reads Prometheus' text form.
func parse(text []byte) (metrics, error) {
	all := metrics{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, m, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("cannot read the metric %.200q: %w", line, err)
		}
		all[name] = append(all[name], m)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cannot read the metrics: %w", err)
	}
	return all, nil
}

// parseLine reads name{label="value",…} value [time].
func parseLine(line string) (name string, m metric, err error) {
	i := strings.IndexAny(line, "{ \t")
	if i <= 0 {
		return "", m, fmt.Errorf("it has no value")
	}
	name, rest := line[:i], line[i:]
	if rest[0] == '{' {
		if m.labels, rest, err = parseLabels(rest[1:]); err != nil {
			return "", m, err
		}
	}
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return "", m, fmt.Errorf("it has no value")
	}
	m.value, err = strconv.ParseFloat(fields[0], 64)
	return name, m, err
}

// parseLabels reads what is behind { and returns what is behind }.
func parseLabels(text string) (labels map[string]string, rest string, err error) {
	labels = map[string]string{}
	for {
		text = strings.TrimLeft(text, " \t,")
		if after, ok := strings.CutPrefix(text, "}"); ok {
			return labels, after, nil
		}
		name, after, ok := strings.Cut(text, `="`)
		if !ok {
			return nil, "", fmt.Errorf("a label has no value")
		}
		var b strings.Builder
		i := 0
		for ; i < len(after) && after[i] != '"'; i++ {
			if after[i] != '\\' || i+1 == len(after) {
				b.WriteByte(after[i])
				continue
			}
			if i++; after[i] == 'n' {
				b.WriteByte('\n')
			} else {
				b.WriteByte(after[i])
			}
		}
		if i >= len(after) {
			return nil, "", fmt.Errorf("a label does not end")
		}
		labels[strings.TrimSpace(name)] = b.String()
		text = after[i+1:]
	}
}

// one returns the figure of that name with these labels, given as name and value in turn; ok is false if there is none.
func (all metrics) one(name string, labels ...string) (v float64, ok bool) {
	for _, m := range all[name] {
		if m.has(labels) {
			return m.value, true
		}
	}
	return 0, false
}

// sum adds up all figures of that name with these labels.
func (all metrics) sum(name string, labels ...string) (v float64) {
	for _, m := range all[name] {
		if m.has(labels) {
			v += m.value
		}
	}
	return v
}

func (m metric) has(labels []string) bool {
	for i := 0; i < len(labels); i += 2 {
		if m.labels[labels[i]] != labels[i+1] {
			return false
		}
	}
	return true
}
