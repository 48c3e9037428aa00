package journal

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/elastic/beats/v7/libbeat/common"
)

// The legacy schema is journalbeat's: the message and a few names at the root, the journal's fields
// by their own names below move_metadata_to_field, and beside them the entry's address, which
// journalbeat's configurations name (journal.realtime_timestamp) though it wrote only some of it.
// Values that say true or false are booleans, and convert_to_numbers makes numbers; unlike
// journalbeat never of the message, of ids and of names, and never one that JSON cannot write.
//
// With `schema: both` the legacy fields stand below move_metadata_to_field, or below `journal`
// without it, so the two sets have only the message in common.

// beginLegacy writes what every event has.
func (c *converter) beginLegacy(e *Entry) {
	root := c.maps[gRoot]
	realtime := int64(min(e.Realtime, maxRealtime))
	root["type"] = "journal"
	root["@realtime_timestamp"] = realtime
	c.old = c.descend(root, len(e.Fields)+4)
	cursor, at, monotonic := addressNames(c.opts.CleanFieldNames)
	if text := e.cursor(); text != "" {
		c.old[cursor] = text
	}
	c.old[at] = realtime
	c.old[monotonic] = int64(min(e.Monotonic, math.MaxInt64))
}

func addressNames(clean bool) (cursor, realtime, monotonic string) {
	if clean {
		return "cursor", "realtime_timestamp", "monotonic_timestamp"
	}
	return "__CURSOR", "__REALTIME_TIMESTAMP", "__MONOTONIC_TIMESTAMP"
}

// descend makes the way to the legacy fields, which is no way to others: see options.Validate.
func (c *converter) descend(m common.MapStr, size int) common.MapStr {
	for i, key := range c.target {
		next := common.MapStr{}
		if i == len(c.target)-1 {
			next = make(common.MapStr, min(size, 64))
		}
		m[key] = next
		m = next
	}
	return m
}

// rootNames are those that libbeat, Elasticsearch or podbeat use at the root of an event.
var rootNames = []string{"@metadata", "@realtime_timestamp", "@timestamp", "agent", "beat", "container", "ecs", "error", "event",
	"fields", "host", "input", "journald", "kubernetes", "log", "message", "message_id", "process", "service", "systemd",
	"tags", "type", "user",
	"_doc_count", "_field_names", "_id", "_ignored", "_index", "_nested_path", "_routing", "_seq_no", "_source", "_tier", "_type", "_version"}

// legacyName returns a field's name below the target.
func (c *converter) legacyName(f *field) string {
	name := c.nameOf(f)
	cursor, realtime, monotonic := addressNames(c.opts.CleanFieldNames)
	taken := name == cursor || name == realtime || name == monotonic
	if taken || len(c.target) == 0 && slices.Contains(rootNames, name) {
		name += "_other"
	}
	return name
}

// mayBeNumber says of a field's name whether its values may become numbers: whether they count or
// measure something, so that they mean the same however they are written.
func mayBeNumber(name string) bool {
	if strings.HasPrefix(name, "CONTAINER_") {
		return false
	}
	for word := range strings.SplitSeq(name, "_") {
		if notNumbers[word] {
			return false
		}
	}
	return true
}

var notNumbers = func() map[string]bool {
	out := map[string]bool{}
	for word := range strings.FieldsSeq(`MESSAGE
		ID IDS FULL UUID GUID HASH KEY TOKEN DIGEST CURSOR
		NAME NAMES HOSTNAME HOST DOMAIN ADDRESS IDENTIFIER IMAGE TAG LABEL VERSION RELEASE
		UNIT SLICE SCOPE SESSION CGROUP NAMESPACE
		COMM EXE CMDLINE EFFECTIVE CONTEXT
		FILE FUNC PATH DEVICE SUBSYSTEM DEVNODE DEVLINK SYSNAME
		TEXT RAW`) {
		out[word] = true
	}
	return out
}()

// legacyValue makes what journalbeat made of a value, within these limits.
func (c *converter) legacyValue(f *field, value string, boxed any) any {
	if f.role == roleFacility && c.opts.ParseSyslogFacility {
		if n, ok := parseLong(value); ok && 0 <= n && n < int64(len(facilities)) {
			return facilities[n]
		}
	}
	if f.plain {
		switch value {
		case "true", "TRUE", "True":
			return true
		case "false", "FALSE", "False":
			return false
		}
	}
	return c.numberValue(f, value, boxed)
}

// numberValue returns a number where there is one, and numbers are asked for.
func (c *converter) numberValue(f *field, value string, boxed any) any {
	if f.plain && c.opts.ConvertToNumbers {
		if n := number(value); n != nil {
			return n
		}
	}
	return boxed
}

// number returns the int64 or float64 that a text states exactly, or nil: no exponents, signs or
// zeros that the number would not have, and no more digits than it can keep.
func number(s string) any {
	const exact = 15 // digits that a float64 keeps
	digits := strings.TrimPrefix(s, "-")
	whole, fraction, decimal := strings.Cut(digits, ".")
	if !isDigits(whole) || len(whole) > 1 && whole[0] == '0' || decimal && !isDigits(fraction) {
		return nil
	}
	if !decimal {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || s == "-0" {
			return nil
		}
		return n
	}
	if len(whole)+len(fraction) > exact {
		return nil
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n == 0 && s[0] == '-' {
		return nil
	}
	return n
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
